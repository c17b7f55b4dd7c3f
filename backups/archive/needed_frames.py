"""Which frames of a backup of a chain have bytes to take?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from backups.archive.contents import StoredFile
from backups.archive.frames import Extent
from backups.archive.packs import FramePlace
from backups.archive.reader import BackupReader

# What is remembered of the frames of one backup; more are looked up in its indexes again.
MOST_EXTENTS = 20_000


@dataclass(slots=True)
class FrameList:
    """Frames with bytes to take, that were found before: the pack and the place of each."""

    frames: list[tuple[int, FramePlace]] = field(default_factory=list)
    extents: int = 0
    # Whether there were too many: no more is known than that.
    is_cut: bool = False

    def add(self, pack: int, place: FramePlace) -> None:
        self.extents += len(place.extents)
        if self.extents > MOST_EXTENTS:
            self.is_cut = True
            self.frames.clear()
        if not self.is_cut:
            self.frames.append((pack, place))


class FrameSource(Protocol):
    """Which bytes of which backup belong into the files. Backups are numbered from 0."""

    def sources(self, depth: int) -> Iterable[StoredFile]:
        """Yield the files of a backup that have bytes to take."""
        ...

    def needs(self, depth: int, extents: Sequence[Extent]) -> bool:
        """Whether a frame of a backup has bytes to take."""
        ...

    def left(self, depth: int) -> FrameList | None:
        """Return all frames of a backup with bytes to take, where they are known."""
        ...

    def read_before(self, depth: int) -> Mapping[int, int]:
        """Return the stored bytes of each frame of a backup that was read already, by number."""
        ...


def frames_to_take(
    reader: BackupReader, source: FrameSource, depth: int
) -> Iterator[tuple[int, FramePlace]]:
    """Yield pack and place of every frame of a backup that has bytes to take."""
    left = source.left(depth)
    if left is not None and not left.is_cut:
        yield from left.frames
        return
    for number in needed_packs(source, depth):
        for place in reader.read_index(number).frames:
            if source.needs(depth, place.extents):
                yield number, place


def needed_packs(source: FrameSource, depth: int) -> list[int]:
    """Return the packs of a backup that may have bytes to take, in order."""
    return sorted(
        {
            number
            for file in source.sources(depth)
            for number in range(max(1, file.first_pack), file.last_pack + 1)
        }
    )
