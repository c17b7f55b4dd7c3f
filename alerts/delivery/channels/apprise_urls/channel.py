"""Everything else people use: Slack, Teams, PagerDuty, Telegram and many more, by Apprise.

Apprise is imported where it is used: it is large, and few processes ever send by it.
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

# In Apprise's words; everything else is a warning.
KINDS = {"firing": "FAILURE", "recovery": "SUCCESS", "success": "SUCCESS"}
# Its plugins that act on this machine instead of sending a message.
NOT_MESSAGES = {
    "blink1", "dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows",
}  # fmt: skip
# Those that nobody answers: whatever came of a message, it would count as delivered.
UNANSWERED = {"rsyslog"}


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
        with public_addresses_only(), _log_of_apprise() as said:
            sent = service.notify(
                title=str(content["title"]), body=build_text(content), notify_type=kind
            )
        if not sent:
            raise NotDelivered(f"{service.service_name}: {_last_line(said.getvalue())}")
        return f"{service.service_name} accepted it"


def _service(url: str) -> apprise.NotifyBase:
    """Return what an Apprise URL stands for. The URL is a secret: no error repeats it."""
    scheme = url.partition("://")[0].strip().lower()
    if scheme in NOT_MESSAGES:
        raise BadInput(f"{scheme}:// would act on Mooring's own machine")
    if scheme in UNANSWERED:
        raise BadInput(f"{scheme}:// never says whether a message arrived")
    import apprise

    service = apprise.Apprise.instantiate(url.strip())
    if not isinstance(service, apprise.NotifyBase):
        raise BadInput(f"{scheme}:// is not a complete Apprise URL")
    return service


def _log_of_apprise() -> AbstractContextManager[StringIO]:
    """Apprise says what went wrong in its log only."""
    import apprise

    capture: AbstractContextManager[StringIO] = apprise.LogCapture(  # type: ignore[no-untyped-call]
        level=logging.WARNING, fmt="%(message)s"
    )
    return capture


def _last_line(log: str) -> str:
    lines = log.strip().splitlines()
    return lines[-1][:300] if lines else "not accepted, and no reason was given"
