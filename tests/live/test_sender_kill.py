"""Senders that are killed at any moment lose no message."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
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
SENDER = """
import django, time
django.setup()
from alerts.models import Channel
from alerts.delivery.sending import send_due
print("ready", flush=True)
while True:
    send_due(Channel.objects.get())
    time.sleep(0.01)
"""


def test_twenty_killed_senders_lose_nothing() -> None:
    with receiving() as receiver:
        receiver.wait_seconds = 0.01
        make_route(make_webhook(receiver.url))
        for number in range(MESSAGES):
            make_alert(f"orders-{number}")
        notify_changes(now())
        kills, deadline = 0, time.monotonic() + 120
        while Notification.objects.exclude(status="delivered").exists():
            assert time.monotonic() < deadline
            with sender() as process:
                if kills < KILLS:
                    time.sleep(random.uniform(0, 0.15))
                    kills += 1
                else:
                    process.wait_for_end()
        got = [json.loads(one.body)["id"] for one in receiver.received]
    wanted = set(Notification.objects.values_list("dedupe_key", flat=True))
    assert kills == KILLS
    assert len(wanted) == MESSAGES
    assert set(got) == wanted
    # At least once: at most one delivery per kill is repeated.
    assert len(got) - len(wanted) <= KILLS


class sender:
    """A sender in a process of its own, killed on the way out."""

    def __enter__(self) -> sender:
        database = connection.settings_dict["NAME"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", SENDER],
            cwd=ROOT,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "monitor.settings",
                "DATABASE_URL": f"sqlite:///{database}",
                "MOORING_OUTBOUND_NETWORKS": "127.0.0.0/8",
                "MOORING_MESSAGE_LEASE_SECONDS": "1",
            },
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout
        assert self.process.stdout.readline() == b"ready\n"
        return self

    def wait_for_end(self) -> None:
        """Wait until nothing is left to send, or the sender has ended by itself."""
        while Notification.objects.exclude(status="delivered").exists():
            assert self.process.poll() is None
            time.sleep(0.05)

    def __exit__(self, *exception: object) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        assert Channel.objects.get().enabled
