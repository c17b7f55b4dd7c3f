"""Which end of a server speaks against its data?"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from backups.exceptions import EngineError, MooringError, StageFailed
from backups.programs.server_ending import require_order

FOLDER = Path("/srv/restored")


def test_a_shutdown_is_in_order() -> None:
    require_order(0, "[ERROR] of no matter", FOLDER)


@pytest.mark.parametrize(
    ("code", "said", "kind", "words"),
    [
        (1, "[ERROR] Aborting", EngineError, "ended with 1:\n\\[ERROR\\] Aborting"),
        (-signal.SIGABRT, "assertion failed", EngineError, "ended with -6"),
        (-signal.SIGKILL, "waiting", StageFailed, "was killed before it had shut down"),
        (2, "write: No space left on device", StageFailed, "No space left on device"),
    ],
)
def test_any_other_end(code: int, said: str, kind: type[MooringError], words: str) -> None:
    with pytest.raises(kind, match=words):
        require_order(code, said, FOLDER)
