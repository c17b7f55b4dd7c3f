"""May a copy still be slowed, or would it lose its race with the redo log? Pure.

mariadb-backup reads the server's redo log while it copies. The server overwrites that log in a
circle: redo that is not copied in time is gone, and so is the backup. How much of it was copied is
known only to within the tool's own buffer, so the worse end counts for the decision, and the better
one for a loss. What the instance may write until a lifted limit takes effect counts as well. In a
small log there is no room for both: there a copy is not slowed at all while redo is written, so
that it is never worse off than one at full speed.

Only what is written overwrites anything: on an instance that writes nothing the limits hold,
however much of its redo is not known to be copied. What it writes while it gives no answer is not
known, and counts as a burst after some seconds; a log that was never seen may be of any size.

How old the instance's last checkpoint is adds nothing: it may write over redo before it, whether
or not that was copied, and can move it at any time.

MySQL keeps redo for a clone, in files of its own: nothing is lost, but its disk fills until the
copy has come to it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from backups.units import format_bytes

# From this share of the log on the copy runs at full speed ...
LIFT_AT = 0.5
# ... until no more than this one is left.
LIMIT_AGAIN_AT = 0.25
WARN_AT = 0.85
# What mariadb-backup collects of a file before it sends it, and a pipe that is full.
TOOL_BUFFER_BYTES = 11 << 20
# From the first byte of a burst until the tool reads redo without a limit: the look of the probe,
# the one of the controller, and what is in the tool's buffers before its redo.
REACTION_SECONDS = 1.0
# What an instance may begin to write at any moment.
BURST_BYTES_PER_S = 32 << 20
# A smaller log may be written over before a copy that is slowed has reacted.
LEAST_LOG_BYTES = TOOL_BUFFER_BYTES + int(BURST_BYTES_PER_S * REACTION_SECONDS)
# An instance that writes less is one that writes nothing.
TRICKLE_BYTES_PER_S = 64 << 10
# From then on an instance that gives no answer may be writing a burst.
SILENCE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class RedoLead:
    """How far the instance's redo is ahead of what was copied of it, in bytes."""

    least: int
    most: int
    capacity: int
    # How fast it is written, at worst and lately; None: not known yet.
    bytes_per_s: float | None = 0.0
    # How old all of this is.
    age_s: float = 0.0

    @property
    def share(self) -> float:
        return self.most / self.capacity if self.capacity > 0 else 0.0

    @property
    def share_expected(self) -> float:
        """The share by the time that a lifted limit takes effect."""
        rate = self.bytes_per_s or 0.0
        if self.age_s > SILENCE_SECONDS:
            rate = max(rate, float(BURST_BYTES_PER_S))
        written = rate * (REACTION_SECONDS + self.age_s)
        return (self.most + written) / self.capacity if self.capacity > 0 else 0.0

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is written that could overwrite anything."""
        if self.bytes_per_s is None:
            # If the next look is late, nobody knows what is written meanwhile.
            return self.age_s <= REACTION_SECONDS
        return self.bytes_per_s < TRICKLE_BYTES_PER_S and self.age_s <= SILENCE_SECONDS

    @property
    def is_too_small(self) -> bool:
        """Whether this log may be written over before a slowed copy has reacted."""
        return not self.is_quiet and self.capacity < LEAST_LOG_BYTES


class GuardNews(enum.Enum):
    """What is worth a line in the log."""

    LIFTED = "lifted"
    LIMITED = "limited"
    SMALL = "small"
    NEAR = "near"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class GuardState:
    """Whether the limit is lifted, and what was said of it already."""

    lifted: bool = False
    near: bool = False
    lost: bool = False
    small: bool = False


def judge_redo(
    state: GuardState, lead: RedoLead, *, overwrites: bool
) -> tuple[GuardState, list[GuardNews]]:
    """Return the next state and the news; ``overwrites``: redo that is not copied is lost."""
    news = []
    quiet = overwrites and lead.is_quiet
    small = overwrites and lead.is_too_small
    far = lead.share_expected >= (LIMIT_AGAIN_AT if state.lifted else LIFT_AT)
    lifted = not quiet and (small or far)
    if small and not state.small:
        news.append(GuardNews.SMALL)
    elif lifted != state.lifted:
        news.append(GuardNews.LIFTED if lifted else GuardNews.LIMITED)
    near = overwrites and not quiet and lead.share >= (LIFT_AT if state.near else WARN_AT)
    if near and not state.near:
        news.append(GuardNews.NEAR)
    lost = overwrites and lead.least > lead.capacity
    if lost and not state.lost:
        news.append(GuardNews.LOST)
    following = replace(
        state, lifted=lifted, near=near, lost=state.lost or lost, small=state.small or small
    )
    return following, news


UNSEEN_WORDS = (
    "full speed: the instance has not shown its redo log, so nobody knows when a slowed copy would "
    "lose it"
)


def in_words(news: GuardNews, lead: RedoLead, *, overwrites: bool) -> str:
    """Return the line for the log."""
    ahead, whole = format_bytes(lead.most), format_bytes(lead.capacity)
    match news:
        case GuardNews.LIFTED if overwrites and lead.age_s > SILENCE_SECONDS:
            return (
                f"full speed: the instance has not shown its redo log for {lead.age_s:.0f} s, and "
                f"overwrites it after {whole}"
            )
        case GuardNews.LIFTED if overwrites:
            rate = format_bytes(int(lead.bytes_per_s or 0))
            return (
                f"full speed: up to {ahead} of redo are not copied yet, {rate}/s are written, and "
                f"the instance overwrites its log after {whole}"
            )
        case GuardNews.SMALL:
            return (
                f"the redo log of {whole} is too small to slow the copy down: it is read at full "
                f"speed while the instance writes; raise innodb_log_file_size"
            )
        case GuardNews.LIFTED:
            return f"full speed: the instance keeps {ahead} of redo until the copy has them"
        case GuardNews.LIMITED:
            return "the redo log is copied far enough: the limits hold again"
        case GuardNews.NEAR:
            return (
                f"the backup may be lost: up to {ahead} of redo are not copied yet, and the "
                f"instance overwrites its log after {whole}; raise innodb_log_file_size"
            )
        case GuardNews.LOST:
            return (
                f"the backup is lost: at least {format_bytes(lead.least)} of redo were not copied "
                f"before the instance overwrote its log of {whole}; raise innodb_log_file_size"
            )
