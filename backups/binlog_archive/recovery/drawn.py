"""Which moment of what is recoverable does a drill go to? Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

MICROSECOND = timedelta(microseconds=1)
# The clocks of a source and of this host differ a little: what was committed while a backup ended
# may be dated after its end.
EDGE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class MomentSpan:
    """Every moment from one to another can be reached from some backup."""

    from_at: datetime
    to_at: datetime

    @property
    def first(self) -> datetime:
        """The first moment that is drawn; of a short span, its middle."""
        return self.from_at + min(EDGE, (self.to_at - self.from_at) / 2)


@dataclass(frozen=True, slots=True)
class DrawnMoment:
    """A moment, and the span that it is of."""

    moment: datetime
    span: MomentSpan


def draw_moment(spans: Sequence[MomentSpan], below: Callable[[int], int]) -> DrawnMoment | None:
    """Draw one, each as likely as any other; none between two spans. None: there is none to draw.

    ``below(n)`` draws a number from 0 on that is less than n.
    """
    lengths = [max((span.to_at - span.first) // MICROSECOND, 0) for span in spans]
    if not sum(lengths):
        return None
    number = below(sum(lengths))
    for span, length in zip(spans, lengths, strict=True):
        if number < length:
            # The last moment is drawn, not the first: there is something to replay.
            return DrawnMoment(span.first + (number + 1) * MICROSECOND, span)
        number -= length
    raise ValueError(f"{number} was drawn beyond the end")


def newest_moment(spans: Sequence[MomentSpan]) -> DrawnMoment | None:
    """Return the latest moment of all; None where no transaction follows a backup."""
    possible = [span for span in spans if span.to_at > span.from_at]
    newest = max(possible, key=lambda span: span.to_at, default=None)
    return DrawnMoment(newest.to_at, newest) if newest is not None else None
