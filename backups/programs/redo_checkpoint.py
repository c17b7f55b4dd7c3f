"""Which checkpoint is in the redo log on a host? It shows whose files they are.

Only the format of MariaDB 10.8 and newer is read; of others the checkpoint is unknown.
"""

from __future__ import annotations

from backups.exceptions import RunnerError
from backups.runners.base import Runner

# In the clear, and encrypted; the checkpoints of both are in the clear.
_FORMATS = (0x50687973, 0xF09F979D)
_CHECKPOINTS = (4096, 8192)
_LSN_BYTES = 8


def read_checkpoint(runner: Runner, folder: str) -> int | None:
    """Return the newest checkpoint's LSN in ``folder``; None if it cannot be read."""
    length = _CHECKPOINTS[-1] + _LSN_BYTES
    path = f"{folder.rstrip('/')}/ib_logfile0"
    try:
        done = runner.run(["od", "-A", "n", "-v", "-t", "x1", "-N", str(length), path])
        content = bytes.fromhex("".join(done.stdout.split()))
    except (RunnerError, ValueError):
        return None
    return parse_checkpoint(content)


def parse_checkpoint(content: bytes) -> int | None:
    """Return the newest of both checkpoints at the beginning of a redo log."""
    if int.from_bytes(content[:4], "big") not in _FORMATS:
        return None
    numbers = [content[offset : offset + _LSN_BYTES] for offset in _CHECKPOINTS]
    if any(len(number) != _LSN_BYTES for number in numbers):
        return None
    return max(int.from_bytes(number, "big") for number in numbers) or None
