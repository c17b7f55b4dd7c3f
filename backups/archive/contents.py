"""Which files and packs does a backup consist of?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from backups.archive.blocks.table import TABLE_FILE, BlockTable
from backups.exceptions import ArchiveError
from backups.repositories.layout import is_safe_path


class StoredFile(NamedTuple):
    """A file of the backup, as it is after a restore."""

    number: int
    path: str
    size: int
    # Bytes of its extents in all frames; less than its size if it has holes.
    written_bytes: int
    # The packs its extents are in; 0 and 0 for a file without any.
    first_pack: int
    last_pack: int


class StoredPack(NamedTuple):
    """A pack of the backup, as it was written."""

    number: int
    stored_bytes: int
    sha256: str
    first_frame: int
    frames: int
    raw_bytes: int


@dataclass(frozen=True, slots=True)
class Contents:
    """Exactly the files and packs a reader must find."""

    files: Sequence[StoredFile]
    packs: Sequence[StoredPack]
    # Number of the first frame of each phase: frames of a phase may be applied in any
    # order, phases only one after the other.
    phases: Sequence[int]
    # None in backups of versions before there were any.
    blocks: BlockTable | None = None

    @property
    def needs_others(self) -> bool:
        """Whether the bytes of some blocks are in other backups."""
        return self.blocks is not None and self.blocks.depth > 0

    @property
    def restored_bytes(self) -> int:
        """The size of all files, as they are after a restore."""
        return sum(file.size for file in self.files)

    @property
    def raw_bytes(self) -> int:
        """The bytes of files that are stored, uncompressed; the block table is not one."""
        table = 0 if self.blocks is None else sum(frame.length for frame in self.blocks.frames)
        return sum(pack.raw_bytes for pack in self.packs) - table

    @property
    def stored_bytes(self) -> int:
        return sum(pack.stored_bytes for pack in self.packs)

    def as_json(self) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "files": [list(file) for file in self.files],
            "packs": [list(pack) for pack in self.packs],
            "phases": list(self.phases),
        }
        if self.blocks is not None:
            fields["blocks"] = self.blocks.as_json()
        return fields

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Contents:
        """Build contents from a manifest; refuse paths that lead out of a restore target."""
        files = tuple(StoredFile(*each) for each in fields["files"])
        packs = tuple(StoredPack(*each) for each in fields["packs"])
        phases = tuple(fields["phases"])
        if any(type(phase) is not int for phase in phases):
            raise ArchiveError("manifest lists phases that are no numbers")
        _check_rows((*files, *packs))
        check_paths(file.path for file in files)
        numbers = {file.number for file in files}
        if len(numbers) != len(files) or TABLE_FILE in numbers:
            raise ArchiveError("manifest lists a file number twice, or that of the block table")
        if any(not file.first_pack <= file.last_pack <= len(packs) for file in files):
            raise ArchiveError("manifest lists a file in a pack it does not list")
        expected = 0
        for position, pack in enumerate(packs, start=1):
            if pack.number != position or pack.first_frame != expected:
                raise ArchiveError(f"manifest lists pack {pack.number} in place {position}")
            expected += pack.frames
        if phases[:1] != (0,) or any(a >= b for a, b in pairwise(phases)) or phases[-1] > expected:
            raise ArchiveError("manifest lists its phases out of order")
        blocks = BlockTable.from_json(fields["blocks"]) if "blocks" in fields else None
        contents = cls(files, packs, phases, blocks)
        if contents.raw_bytes < 0:
            raise ArchiveError("manifest lists a block table that its packs cannot hold")
        if max(contents.raw_bytes, contents.stored_bytes) >= _MOST:
            raise ArchiveError("manifest lists more bytes than any disk has")
        return contents


# What the database holds.
_MOST = 1 << 63


def _check_rows(rows: Iterable[StoredFile | StoredPack]) -> None:
    """Refuse values no writer produces: negative sizes, or values of a wrong type."""
    for row in rows:
        text_at = 1 if isinstance(row, StoredFile) else 2
        # By place and not by name: there may be millions.
        for place, value in enumerate(row):
            right = type(value) is (str if place == text_at else int)
            if not right or (place != text_at and not 0 <= value < _MOST):  # type: ignore[operator]
                name = row._fields[place]
                raise ArchiveError(f"manifest lists {str(value)[:80]!r} as {name}")


def check_paths(paths: Iterable[str]) -> None:
    """Refuse paths that are absolute, climb, or name one file twice."""
    seen: set[str] = set()
    for path in paths:
        if not is_safe_path(path) or path in seen:
            raise ArchiveError(f"file name {path!r} is not allowed in a backup")
        seen.add(path)
