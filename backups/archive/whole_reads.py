"""What does a restore or verify read in full, because its media are read from the beginning?"""

from __future__ import annotations

from collections.abc import Sequence

from backups.archive.reader import BackupReader
from backups.repositories.sequential.store import sequential
from backups.units import format_bytes, format_count


def read_in_full(readers: Sequence[BackupReader]) -> str:
    """Return how much in how many pieces; blank where parts are read by their places."""
    media = [reader for reader in readers if sequential(reader.store) is not None]
    packs = [pack for reader in media for pack in reader.manifest.contents.packs]
    if not packs:
        return ""
    size = format_bytes(sum(pack.stored_bytes for pack in packs))
    pieces = format_count(len(packs), "piece")
    return f"sequential media: up to {size} in {pieces} are read from the beginning, in order"
