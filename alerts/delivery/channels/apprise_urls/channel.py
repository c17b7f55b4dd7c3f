"""Further services through Apprise: Slack, Teams, PagerDuty, Telegram and many more.

Apprise is imported where it is used: it is large, and few processes send through it.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from io import StringIO
from typing import TYPE_CHECKING, ClassVar

from alerts.delivery.channels.base import Content, Field, Values
from alerts.delivery.channels.text import build_text
from alerts.delivery.outbound import public_addresses_only
from alerts.exceptions import NotDelivered
from backups.exceptions import BadInput

if TYPE_CHECKING:
    import apprise

# By the names of Apprise; all other kinds are warnings.
KINDS = {"firing": "FAILURE", "recovery": "SUCCESS", "success": "SUCCESS"}
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
        from apprise import NotifyType

        service = _service(values["url"])
        kind = NotifyType[KINDS.get(str(content["kind"]), "WARNING")]
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
    import apprise

    service = apprise.Apprise.instantiate(url.strip())
    if not isinstance(service, apprise.NotifyBase):
        raise BadInput(f"{scheme}:// is not a complete Apprise URL")
    return service


def _capture_log() -> AbstractContextManager[StringIO]:
    """Capture the log of Apprise, the only place where it reports errors."""
    import apprise

    capture: AbstractContextManager[StringIO] = apprise.LogCapture(  # type: ignore[no-untyped-call]
        level=logging.WARNING, fmt="%(message)s"
    )
    return capture


def _last_line(log: str) -> str:
    lines = log.strip().splitlines()
    return lines[-1][:300] if lines else "not accepted, no reason given"
