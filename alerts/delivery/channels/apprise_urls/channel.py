"""Further services through Apprise: Slack, Teams, PagerDuty, Telegram and many more."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from io import StringIO
from typing import ClassVar

import apprise

from alerts.delivery.channels.base import Content, Field, Values
from alerts.delivery.channels.text import build_text
from alerts.delivery.outbound import public_addresses_only
from alerts.exceptions import NotDelivered
from backups.exceptions import BadInput

KINDS = {
    "firing": apprise.NotifyType.FAILURE,
    "recovery": apprise.NotifyType.SUCCESS,
    "success": apprise.NotifyType.SUCCESS,
}
# Plugins that act on this machine instead of sending a notification.
LOCAL_SERVICES = {
    "blink1", "dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows",
}  # fmt: skip
# Services without a response: every notification would count as delivered.
UNCONFIRMED_SERVICES = {"rsyslog"}


class AppriseChannel:
    name: ClassVar[str] = "apprise"
    label: ClassVar[str] = "Slack, Teams, PagerDuty, Telegram, … (Apprise)"
    fields: ClassVar[tuple[Field, ...]] = (
        Field("url", "Apprise URL", "For example slack://…, msteams://…, pagerduty://…, tgram://…",
              secret=True),
    )  # fmt: skip

    def check(self, values: Values) -> None:
        _service(values["url"])

    def send(self, content: Content, values: Values) -> str:
        service = _service(values["url"])
        kind = KINDS.get(str(content["kind"]), apprise.NotifyType.WARNING)
        with public_addresses_only(), _capture_log() as log:
            sent = service.notify(
                title=str(content["title"]), body=build_text(content), notify_type=kind
            )
        if not sent:
            raise NotDelivered(f"{service.service_name}: {_last_line(log.getvalue())}")
        return f"{service.service_name} accepted it"


def _service(url: str) -> apprise.NotifyBase:
    """Return the service of an Apprise URL. The URL is a secret: no error contains it."""
    scheme = url.partition("://")[0].strip().lower()
    if scheme in LOCAL_SERVICES:
        raise BadInput(f"{scheme}:// acts on Mooring's own host")
    if scheme in UNCONFIRMED_SERVICES:
        raise BadInput(f"{scheme}:// does not confirm deliveries")
    service = apprise.Apprise.instantiate(url.strip())
    if not isinstance(service, apprise.NotifyBase):
        raise BadInput(f"{scheme}:// is not a complete Apprise URL")
    return service


def _capture_log() -> AbstractContextManager[StringIO]:
    """Capture the log of Apprise, the only place where it reports errors."""
    capture: AbstractContextManager[StringIO] = apprise.LogCapture(  # type: ignore[no-untyped-call]
        level=logging.WARNING, fmt="%(message)s"
    )
    return capture


def _last_line(log: str) -> str:
    lines = log.strip().splitlines()
    return lines[-1][:300] if lines else "not accepted, no reason given"
