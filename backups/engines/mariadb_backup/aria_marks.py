"""Which Aria tables had the instance marked as crashed?

A server writes the mark into the head of a table's index file when it finds damage or when a repair
fails. Prepare applies Aria's log and may set it as well, so it is read before that.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path

from backups.archive.contained import open_contained

# An Aria index file of any version, up to the field "changed" of its state.
_MAGIC = b"\xfe\xfe\x09"
_CHANGED_AT = 26
_CHANGED = struct.Struct(">H")
# Crashed, and crashed on repair.
_CRASHED = 0x02 | 0x04


def marked_tables(folder: Path) -> frozenset[str]:
    """Return the index files of the marked tables, as paths below ``folder``."""
    paths = (path.relative_to(folder).as_posix() for path in folder.glob("*/*.MAI"))
    return frozenset(name for name in paths if _is_marked(folder, name))


def _is_marked(folder: Path, name: str) -> bool:
    with suppress(OSError):
        descriptor = open_contained(folder, name)
        try:
            head = os.pread(descriptor, _CHANGED_AT + _CHANGED.size, 0)
        finally:
            os.close(descriptor)
        if head.startswith(_MAGIC) and len(head) == _CHANGED_AT + _CHANGED.size:
            (changed,) = _CHANGED.unpack_from(head, _CHANGED_AT)
            return bool(changed & _CRASHED)
    return False
