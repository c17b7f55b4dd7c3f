"""Did a private server end in order, and if not, does that speak against its data?"""

from __future__ import annotations

import signal
from enum import Enum
from pathlib import Path

from backups.exceptions import EngineError, StageFailed
from backups.programs.disk_full import fail_if_disk_full
from backups.programs.server_log import TAIL_LINES

LOG_HINT = "Its log says why; where it was killed, the log of this host's kernel may."


class Ending(Enum):
    """How a server ended."""

    IN_ORDER = "in order"
    # By itself, and not with the code of a shutdown.
    CRASHED = "crashed"
    # We ran out of patience, or this host killed it: nothing is known of its data.
    KILLED = "killed"


def ending_of(exit_code: int) -> Ending:
    if exit_code == -signal.SIGKILL:
        return Ending.KILLED
    return Ending.CRASHED if exit_code else Ending.IN_ORDER


def require_order(exit_code: int, last_words: str, folder: Path) -> None:
    """Raise unless a server wrote everything down and ended in order.

    EngineError where it ended by itself in any other way, which speaks against its data;
    StageFailed where it was killed or its disk was full, which does not.
    """
    ending = ending_of(exit_code)
    if ending is Ending.IN_ORDER:
        return
    fail_if_disk_full(last_words, folder)
    tail = "\n".join(last_words.splitlines()[-TAIL_LINES:])
    if ending is Ending.KILLED:
        raise StageFailed(
            f"the private server was killed before it had shut down:\n{tail}",
            hint="The kernel's log of this host may say why, such as no memory left. Run it again.",
        )
    raise EngineError(f"the private server ended with {exit_code}:\n{tail}", hint=LOG_HINT)
