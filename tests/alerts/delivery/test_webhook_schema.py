"""Version 1 of the webhook body is stable: receivers rely on every key and type below."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from alerts.delivery.channels.webhook.channel import build_body
from alerts.delivery.content import build_content
from alerts.models import Alert, Notification
from alerts.states import AlertStatus, NotificationKind
from backups.states import JobStatus
from tests.alerts.fleet import make_job, make_repository, make_schedule
from tests.alerts.rows import T0, make_alert

pytestmark = pytest.mark.django_db

DOCS = Path(__file__).resolve().parents[3] / "docs/webhooks.md"
BODY = {
    "version": int, "id": str, "kind": str, "created_at": str, "severity": str, "title": str,
    "text": str, "alert_count": int, "url": str, "alerts": list,
}  # fmt: skip
ALERT = {
    "id": int, "rule": str, "subject": str, "subject_name": str, "cause": str, "status": str,
    "severity": str, "message": str, "explanation": str, "hint": str, "instance": str,
    "schedule": str, "repository": str, "job_id": int, "facts": dict, "fired_at": str,
    "resolved_at": str, "comment": str, "url": str, "job_url": str,
}  # fmt: skip
NULLABLE = {
    "instance", "schedule", "repository", "job_id", "fired_at", "resolved_at", "job_url",
}  # fmt: skip


# Any: JSON.
def sent_body(*alerts: Alert) -> dict[str, Any]:
    """Return the body as a receiver parses it."""
    notification = Notification(kind=NotificationKind.FIRING, dedupe_key="firing-1")
    content = build_content(notification, alerts, now=T0)
    body: dict[str, Any] = json.loads(build_body(content, ""))
    return body


def full_alert() -> Alert:
    """Return an alert in which no field is null."""
    alert = make_alert(status=AlertStatus.RESOLVED)
    assert alert.instance is not None
    alert.job = make_job(alert.instance, JobStatus.FAILED, T0)
    alert.schedule, alert.repository = make_schedule(), make_repository()
    return alert


def test_version_1_has_these_keys_and_types() -> None:
    body = sent_body(full_alert())
    assert body["version"] == 1
    assert {name: type(value) for name, value in body.items()} == BODY
    assert {name: type(value) for name, value in body["alerts"][0].items()} == ALERT


def test_only_some_fields_may_be_null() -> None:
    (alert,) = sent_body(Alert(pk=7, severity=30, status=AlertStatus.PENDING))["alerts"]
    assert alert.keys() == ALERT.keys()
    assert {name for name, value in alert.items() if value is None} == NULLABLE


@pytest.mark.parametrize("name", sorted({*BODY, *ALERT}))
def test_every_field_is_documented(name: str) -> None:
    rows = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    assert any(f"`{name}`" in row.split("|")[1] for row in rows)


@pytest.mark.parametrize("kind", NotificationKind.values)
def test_every_kind_is_documented(kind: str) -> None:
    (row,) = [
        line for line in DOCS.read_text(encoding="utf-8").splitlines() if "| `kind` |" in line
    ]
    assert f"`{kind}`" in row
