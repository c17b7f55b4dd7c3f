"""What is a channel, and what is a message on its way to it?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

# What a person typed, by the name of the field. Several lines are one text.
Values = Mapping[str, str]
# The content of a message: JSON, documented in docs/webhooks.md. Any: its values differ.
Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """Something a person has to say about a channel."""

    name: str
    label: str
    hint: str = ""
    kind: Literal["text", "number", "lines", "choice"] = "text"
    # Encrypted at rest, and never shown again.
    secret: bool = False
    # An address: pages show its scheme and host, as the rest may be what lets one in.
    host_only: bool = False
    required: bool = True
    choices: tuple[tuple[str, str], ...] = ()
    default: str = ""


class ChannelKind(Protocol):
    """One way to send a message."""

    name: ClassVar[str]
    label: ClassVar[str]
    fields: ClassVar[tuple[Field, ...]]

    def check(self, values: Values) -> None:
        """Raise BadInput where the values cannot be meant; nothing leaves the machine."""
        ...

    def send(self, content: Content, values: Values) -> str:
        """Deliver, and return what the other side said.

        NotDelivered: worth another try. ChannelDead: not before a person changes something.
        """
        ...
