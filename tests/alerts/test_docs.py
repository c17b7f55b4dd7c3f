"""Do docs/alerts.md and docs/webhooks.md know every rule, threshold, tick and field?"""

from __future__ import annotations

import hashlib
import hmac
import re

import pytest

from alerts.delivery.channels.webhook.signature import build_signature
from alerts.delivery.content import build_content
from alerts.models import Notification
from alerts.rules import RULES
from alerts.states import NotificationKind
from monitor.celery import app
from tests.alerts.rows import SECRET, T0, make_alert
from tests.documents import ROOT, blocks

ALERTS, WEBHOOKS = ROOT / "docs" / "alerts.md", ROOT / "docs" / "webhooks.md"
TEXT = ALERTS.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", RULES)
def test_every_rule_has_its_row(name: str) -> None:
    (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{name}` |")]
    assert RULES[name].resolves_when in row
    for threshold in RULES[name].thresholds:
        default = "off" if threshold.default is None else f"{threshold.default:g}"
        assert f"`{threshold.name}` {default}" in row


def test_every_tick_is_one_of_beats() -> None:
    table = TEXT.partition("## Ticks behind the rules")[2]
    rows = re.findall(r"^\| (`[^|]+) \| (\d+) (s|min|h) \|", table, re.MULTILINE)
    assert len(rows) > 5
    seconds = {"s": 1, "min": 60, "h": 3600}
    for names, figure, unit in rows:
        for name in re.findall(r"`([^`]+)`", names):
            assert app.conf.beat_schedule[name]["schedule"] == int(figure) * seconds[unit]


@pytest.mark.django_db
def test_every_field_of_a_webhook_is_listed() -> None:
    text = WEBHOOKS.read_text(encoding="utf-8")
    content = build_content(Notification(kind=NotificationKind.FIRING), [make_alert()], now=T0)
    table, _, of_alerts = text.partition("Each alert has")
    assert {field for field in content if f"`{field}`" not in table} == set()
    assert {field for field in content["alerts"][0] if f"`{field}`" not in of_alerts} == set()
    (kinds,) = re.findall(r"^\| `kind` \| (.*) \|$", text, re.MULTILINE)
    assert re.findall(r"`(\w+)`", kinds) == NotificationKind.values


def test_the_printed_check_of_a_signature_accepts_ours() -> None:
    (snippet,) = [block.text for block in blocks(WEBHOOKS) if block.language == "python"]
    body = b'{"version": 1}'
    t, v1 = re.findall(r"=(\w+)", build_signature(SECRET, body, 1_800_000_000))
    for sent, expected in ((body, True), (body + b" ", False)):
        names = {"t": t, "v1": v1, "body": sent, "secret": SECRET.encode()}
        names |= {"hmac": hmac, "hashlib": hashlib}
        exec(snippet, names)  # noqa: S102 - printed for receivers to run
        assert names["good"] is expected
