"""Can what was just written be read? Opens every pack of a backup."""

from __future__ import annotations

from collections.abc import Callable

from backups.archive.reader import BackupReader


def open_packs(reader: BackupReader, check: Callable[[], None]) -> int:
    """Open the index and the last frame of each pack; return how many packs there are."""
    packs = reader.manifest.contents.packs
    for pack in packs:
        check()
        index = reader.read_index(pack.number)
        reader.read_frame(pack.number, index.frames[-1])
    return len(packs)
