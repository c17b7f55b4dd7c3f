"""Senders that are killed at any moment lose no message."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection
from django.utils.timezone import now

from alerts.models import Channel, Notification
from alerts.routing.outbox import notify_changes
from tests.alerts.receiver import receiving
from tests.alerts.rows import make_alert, make_route, make_webhook

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).resolve().parents[2]
MESSAGES = 120
KILLS = 20
# Forks a sender for every line it reads: as quick as a fork, to be killed at any moment.
SENDERS = """
import django, os, sys, time
django.setup()
from alerts.models import Channel
from alerts.delivery.sending import send_due
for _ in sys.stdin:
    pid = os.fork()
    while not pid:
        send_due(Channel.objects.get())
        time.sleep(0.01)
    print(pid, flush=True)
    os.waitpid(pid, 0)
    print("ended", flush=True)
"""


def test_twenty_killed_senders_lose_nothing() -> None:
    with receiving() as receiver:
        receiver.wait_seconds = 0.01
        make_route(make_webhook(receiver.url))
        for number in range(MESSAGES):
            make_alert(f"orders-{number}")
        notify_changes(now())
        kills = 0
        with Senders() as senders:
            while Notification.objects.exclude(status="delivered").exists():
                with senders.one() as pid:
                    if kills < KILLS:
                        time.sleep(random.uniform(0, 0.15))
                        kills += 1
                    else:
                        wait_for_end(pid)
        got = [json.loads(one.body)["id"] for one in receiver.received]
    wanted = set(Notification.objects.values_list("dedupe_key", flat=True))
    assert kills == KILLS
    assert len(wanted) == MESSAGES
    assert set(got) == wanted
    # At least once: at most one delivery per kill is repeated.
    assert len(got) - len(wanted) <= KILLS


class Senders:
    """Senders, one after the other, each in a process of its own."""

    def __enter__(self) -> Senders:
        database = connection.settings_dict["NAME"]
        self._forks = subprocess.Popen(
            [sys.executable, "-c", SENDERS],
            cwd=ROOT,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "monitor.settings",
                "DATABASE_URL": f"sqlite:///{database}",
                "MOORING_OUTBOUND_NETWORKS": "127.0.0.0/8",
                "MOORING_MESSAGE_LEASE_SECONDS": "1",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def __exit__(self, *exception: object) -> None:
        self._forks.communicate()

    @contextmanager
    def one(self) -> Iterator[int]:
        """Yield the process of a sender, which is killed on the way out."""
        assert self._forks.stdin and self._forks.stdout
        self._forks.stdin.write(b"\n")
        self._forks.stdin.flush()
        pid = int(self._forks.stdout.readline())
        try:
            yield pid
        finally:
            os.kill(pid, signal.SIGKILL)
            assert self._forks.stdout.readline() == b"ended\n"
        assert Channel.objects.get().enabled


def wait_for_end(pid: int) -> None:
    """Wait until nothing is left to send, or the sender has ended by itself."""
    while Notification.objects.exclude(status="delivered").exists():
        os.kill(pid, 0)
        time.sleep(0.05)
