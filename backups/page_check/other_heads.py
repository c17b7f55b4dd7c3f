"""What do the other backups of a chain have of a file's first bytes?

An incremental or differential backup stores page 0 only where it changed, and its other pages
cannot be checked without the page size that is there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property
from threading import RLock

from backups.archive.blocks.hashing import BLOCK_BYTES
from backups.archive.blocks.reading import StoredTable
from backups.archive.packs import FramePlace
from backups.archive.reader import BackupReader

INDEXES_KEPT = 8


class OtherHeads:
    """First bytes of files, where other backups have them. Thread-safe."""

    def __init__(self, chain: Sequence[BackupReader], head_bytes: int) -> None:
        """``chain`` begins with the full backup and ends with the one that is checked."""
        self._chain, self._head_bytes = chain, head_bytes
        self._lock = RLock()
        # Of a pack of a backup: the frames with first bytes of each file.
        self._indexes: OrderedDict[tuple[int, int], Mapping[int, list[FramePlace]]] = OrderedDict()

    def fill(self, file: int, head: bytearray) -> None:
        """Put in what other backups have; ArchiveError or RepositoryError where that is damaged."""
        if len(self._chain) == 1:
            return
        with self._lock:
            blocks = -(-len(head) // BLOCK_BYTES)
            _, places = self._table.find_all(file, 0, blocks)
            for depth, number in enumerate(self._table.sources_of(file)[:-1]):
                if number and depth in places:
                    wanted = [place == depth for place in places]
                    self._copy(depth, number, wanted, head)

    def _copy(self, depth: int, number: int, wanted: Sequence[bool], head: bytearray) -> None:
        """Put in the wanted blocks of a file of another backup."""
        reader, pack = self._chain[depth], self._first_packs[depth].get(number, 0)
        for place in self._index(depth, pack).get(number, ()) if pack else ():
            frame, start = reader.resolve(reader.read_frame(pack, place)), 0
            for file, offset, length in frame.extents:
                for block in range(offset // BLOCK_BYTES, len(wanted)) if file == number else ():
                    first = max(offset, block * BLOCK_BYTES)
                    end = min(offset + length, (block + 1) * BLOCK_BYTES, len(head))
                    if wanted[block] and first < end:
                        at = start + first - offset
                        head[first:end] = frame.content[at : at + end - first]
                start += length

    def _index(self, depth: int, pack: int) -> Mapping[int, list[FramePlace]]:
        found = self._indexes.get((depth, pack))
        if found is None:
            first: dict[int, list[FramePlace]] = {}
            for place in self._chain[depth].read_index(pack).frames:
                for file in {each.file for each in place.extents if each.offset < self._head_bytes}:
                    first.setdefault(file, []).append(place)
            found = self._indexes[depth, pack] = first
            while len(self._indexes) > INDEXES_KEPT:
                self._indexes.popitem(last=False)
        return found

    @cached_property
    def _table(self) -> StoredTable:
        return StoredTable(self._chain[-1])

    @cached_property
    def _first_packs(self) -> Sequence[Mapping[int, int]]:
        return [
            {file.number: file.first_pack for file in reader.manifest.contents.files}
            for reader in self._chain
        ]
