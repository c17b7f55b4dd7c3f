"""What does a kind of channel provide, and what does it get to send?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

# Values by the name of their field. Several lines are one text.
Values = Mapping[str, str]
# The content of a notification: JSON, documented in docs/webhooks.md. Any: mixed values.
Content = Mapping[str, Any]
# The value that names, one per line, who got this notification in an earlier attempt.
DONE = "done_recipients"


@dataclass(frozen=True, slots=True)
class Field:
    """One setting of a kind of channel."""

    name: str
    label: str
    hint: str = ""
    kind: Literal["text", "number", "lines", "choice"] = "text"
    # Encrypted at rest, never shown again.
    secret: bool = False
    # A URL: pages show only its scheme and host, as the rest may contain a token.
    host_only: bool = False
    required: bool = True
    choices: tuple[tuple[str, str], ...] = ()
    default: str = ""


class ChannelKind(Protocol):
    """One way to send a notification."""

    name: ClassVar[str]
    label: ClassVar[str]
    fields: ClassVar[tuple[Field, ...]]

    def check(self, values: Values) -> None:
        """Raise BadInput for invalid values, without any connection."""
        ...

    def send(self, content: Content, values: Values) -> str:
        """Deliver, and return the response of the receiver.

        NotDelivered: to be retried. PartlyDelivered: only for the recipients that are not in
        ``values[DONE]`` by then, if any is left. MessageRefused: this message is not retried.
        ChannelBroken: not before a person changes the channel.
        """
        ...
