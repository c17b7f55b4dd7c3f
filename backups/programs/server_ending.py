"""Did a private server end in order, and if not, is that evidence against its data?"""

from __future__ import annotations

import signal
from enum import Enum
from pathlib import Path

from backups.exceptions import EngineError, StageFailed
from backups.programs.disk_full import fail_if_disk_full
from backups.programs.server_log import TAIL_LINES

LOG_HINT = "Check the server's log; if it was killed, check this host's kernel log."


class Ending(Enum):
    """How a server ended."""

    IN_ORDER = "in order"
    # It ended by itself with an error code.
    CRASHED = "crashed"
    # Killed by us after a time-out, or by this host: nothing is known about its data.
    KILLED = "killed"


def ending_of(exit_code: int) -> Ending:
    if exit_code == -signal.SIGKILL:
        return Ending.KILLED
    return Ending.CRASHED if exit_code else Ending.IN_ORDER


def require_order(exit_code: int, last_words: str, folder: Path) -> None:
    """Raise unless a server flushed its data and ended in order.

    EngineError if it ended by itself in any other way, which is evidence against its data;
    StageFailed if it was killed or its disk was full, which is not.
    """
    ending = ending_of(exit_code)
    if ending is Ending.IN_ORDER:
        return
    fail_if_disk_full(last_words, folder)
    tail = "\n".join(last_words.splitlines()[-TAIL_LINES:])
    if ending is Ending.KILLED:
        raise StageFailed(
            f"the private server was killed before it had shut down:\n{tail}",
            hint="Check this host's kernel log, for example for lack of memory, and try again.",
        )
    raise EngineError(f"the private server ended with {exit_code}:\n{tail}", hint=LOG_HINT)
