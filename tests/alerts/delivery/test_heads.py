"""Heads of chains of evidence leave as a notification."""

from __future__ import annotations

import pytest

from alerts.delivery.heads import MOST_HEADS
from alerts.models import Channel, Notification
from backups.models import EvidenceChain, SigningKey
from tests.alerts.rows import make_webhook
from tests.backups.evidence_report.reported import heads, make_month
from tests.commands import Ended, run_command
from tests.monitor.rows import make_instance

pytestmark = pytest.mark.django_db


def send(*words: str) -> Ended:
    return run_command(
        "sendevidence", "--channel", Channel.objects.get().name, *words, app="alerts"
    )


def test_the_head_of_each_chain_and_the_key_are_queued() -> None:
    make_webhook("https://example.org/")
    make_month()
    assert send("--group", "shop").exit_code == 0
    sent = Notification.objects.get()
    key = SigningKey.objects.get().key_id
    (head,) = heads()
    assert sent.kind == "evidence"
    assert f"key {key}\norders-1: link 5, head {head}" in sent.content["text"]
    assert sent.content["title"].startswith("Heads of 1 chain of evidence")


def test_what_cannot_be_sent_whole_is_not_sent() -> None:
    make_webhook("https://example.org/")
    assert "there is no evidence yet" in send().stderr
    for number in range(MOST_HEADS + 1):
        instance = make_instance(f"shard-{number}")
        EvidenceChain.objects.create(instance=instance, length=1, head="ab" * 32)
    assert "101 heads are too many for one message" in send().stderr
    Channel.objects.update(enabled=False)
    assert "is disabled" in send().stderr
    assert not Notification.objects.exists()
