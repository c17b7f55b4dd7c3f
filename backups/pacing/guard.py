"""May a copy still be slowed, or would it lose its race with the redo log? Pure.

mariadb-backup reads the server's redo log while it copies. The server overwrites that log in a
circle: redo that is not copied in time is gone, and so is the backup. How much of it was copied is
known only to within the tool's own buffer, so the worse end counts for the decision, and the better
one for a loss. MySQL keeps redo for a clone, in files of its own: nothing is lost, but its disk
fills until the copy has come to it.
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


@dataclass(frozen=True, slots=True)
class RedoLead:
    """How far the instance's redo is ahead of what was copied of it, in bytes."""

    least: int
    most: int
    capacity: int

    @property
    def share(self) -> float:
        return self.most / self.capacity if self.capacity > 0 else 0.0


class GuardNews(enum.Enum):
    """What is worth a line in the log."""

    LIFTED = "lifted"
    LIMITED = "limited"
    NEAR = "near"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class GuardState:
    """Whether the limit is lifted, and what was said of it already."""

    lifted: bool = False
    near: bool = False
    lost: bool = False


def judge_redo(
    state: GuardState, lead: RedoLead, *, overwrites: bool
) -> tuple[GuardState, list[GuardNews]]:
    """Return the next state and the news; ``overwrites``: redo that is not copied is lost."""
    news = []
    share = lead.share
    lifted = share >= (LIMIT_AGAIN_AT if state.lifted else LIFT_AT)
    if lifted != state.lifted:
        news.append(GuardNews.LIFTED if lifted else GuardNews.LIMITED)
    near = overwrites and share >= (LIFT_AT if state.near else WARN_AT)
    if near and not state.near:
        news.append(GuardNews.NEAR)
    lost = overwrites and lead.least > lead.capacity
    if lost and not state.lost:
        news.append(GuardNews.LOST)
    return replace(state, lifted=lifted, near=near, lost=state.lost or lost), news


def in_words(news: GuardNews, lead: RedoLead, *, overwrites: bool) -> str:
    """Return the line for the log."""
    ahead, whole = format_bytes(lead.most), format_bytes(lead.capacity)
    match news:
        case GuardNews.LIFTED if overwrites:
            return (
                f"full speed: up to {ahead} of redo are not copied yet, and the instance "
                f"overwrites its log after {whole}"
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
