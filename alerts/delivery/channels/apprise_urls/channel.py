"""Further services through Apprise: Slack, Teams, PagerDuty, Telegram and many more.

Every service limits the length of a message, and refuses a longer one as a whole: text and title
are made to fit before they are sent. Apprise is imported where it is used, as it is large.
"""

from __future__ import annotations

import html
import logging
import re
from contextlib import AbstractContextManager
from io import StringIO
from typing import TYPE_CHECKING, ClassVar

from alerts.delivery.channels.base import Content, Field, Values
from alerts.delivery.channels.text import build_short_text, cut
from alerts.exceptions import MessageRefused, NotDelivered
from backups.exceptions import BadInput
from backups.outbound.addresses import public_addresses_only

if TYPE_CHECKING:
    import apprise

# The types of Apprise; every other kind is a warning.
KINDS = {"firing": "FAILURE", "recovery": "SUCCESS", "success": "SUCCESS"}
# Plugins that act on this machine instead of sending a notification.
LOCAL_SERVICES = {
    "blink1", "dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows",
}  # fmt: skip
# Services without a response: every notification would count as delivered.
UNCONFIRMED_SERVICES = {"rsyslog"}
# What a service adds to title and text on its own, and what is left for them at the least.
RESERVED_LENGTH, LEAST_LENGTH = 40, 80
# A message that was refused although it should fit is sent once more in this length.
SHORTEST_LENGTH = 400
# The only place of the HTTP status is the text of Apprise's log.
_STATUS = re.compile(r"error=(\d{3})\b")
# Bad request, too large, not processable: of this message. The others are of URL or service.
MESSAGE_REFUSED = frozenset({400, 413, 414, 422})


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
        name = service.service_name
        error = _notify(service, content, _longest(service))
        if error is None:
            return f"{name} accepted it"
        if not _refuses_message(error):
            raise NotDelivered(f"{name}: {error}")
        again = _notify(service, content, min(SHORTEST_LENGTH, _longest(service)))
        if again is None:
            return f"{name} accepted it shortened, after: {error}"
        raise (MessageRefused if _refuses_message(again) else NotDelivered)(f"{name}: {again}")


def _notify(service: apprise.NotifyBase, content: Content, limit: int) -> str | None:
    """Send title and text of at most ``limit`` together; return the error, None if accepted."""
    from apprise import Apprise, NotifyFormat, NotifyType

    title = cut(" ".join(str(content["title"]).split()), _title_limit(service, limit), _measure)
    body = build_short_text(content, limit - _measure(title), _measure)
    # Plain text: Apprise converts it to the format of the service, so nothing in it is markup.
    sender = Apprise()
    sender.add(service)
    with public_addresses_only(), _capture_log() as log:
        sent = sender.notify(
            title=title,
            body=body,
            body_format=NotifyFormat.TEXT,
            notify_type=NotifyType[KINDS.get(str(content["kind"]), "WARNING")],
        )
    return None if sent else _last_line(log.getvalue())


def _longest(service: apprise.NotifyBase) -> int:
    return max(service.body_maxlen - RESERVED_LENGTH, LEAST_LENGTH)


def _title_limit(service: apprise.NotifyBase, limit: int) -> int:
    # Without a title of its own, a service puts it above the text.
    return min(service.title_maxlen or limit, limit // 3)


def _measure(text: str) -> int:
    """Return the longest that any service counts: bytes, of HTML, with long line ends."""
    return len(html.escape(text).replace("\n", "\r\n").encode())


def _refuses_message(error: str) -> bool:
    status = _STATUS.search(error)
    return status is not None and int(status[1]) in MESSAGE_REFUSED


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
