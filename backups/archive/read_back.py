"""Can what was just written be read? Opens every pack of a backup, or asks the medium for it."""

from __future__ import annotations

from collections.abc import Callable

from backups.archive.reader import BackupReader
from backups.exceptions import StageFailed
from backups.repositories.sequential.store import SequentialStore


def open_packs(reader: BackupReader, check: Callable[[], None]) -> int:
    """Open the index and the last frame of each pack; return how many packs there are."""
    packs = reader.manifest.contents.packs
    for pack in packs:
        check()
        index = reader.read_index(pack.number)
        reader.read_frame(pack.number, index.frames[-1])
    return len(packs)


def compare_pieces(reader: BackupReader, media: SequentialStore) -> None:
    """Raise StageFailed unless the medium has confirmed just the packs of the manifest."""
    reader.check_sizes()
    for pack in reader.manifest.contents.packs:
        name = reader.pack_object(pack.number)
        if media.sha256(name) != pack.sha256:
            raise StageFailed(f"{name} was stored with other bytes than the manifest says")
