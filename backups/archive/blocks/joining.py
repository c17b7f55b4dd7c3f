"""What is a block of the full backup to a file that is put together?

It is the file's, or another backup has the block. Where that is stored as the difference from this
one, both are joined here, so that the block is written once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from backups.archive.blocks.hashing import BLOCK_BYTES
from backups.archive.blocks.linked_differences import LinkedDifferences
from backups.archive.blocks.places import Places
from backups.archive.blocks.reading import StoredTable
from backups.archive.blocks.table import MOST_BACKUPS
from backups.archive.contents import StoredFile
from backups.archive.differing import xor_at
from backups.archive.frames import Extent


@dataclass(slots=True)
class TargetFile:
    """A file that is put together."""

    file: StoredFile
    places: Places
    changes: dict[int, bytes] = field(default_factory=dict)

    def has_changes(self, first: int, end: int) -> bool:
        """Whether a later phase overrides one of some blocks in a row."""
        return bool(self.changes) and any(block in self.changes for block in range(first, end))


class FullBlock(IntEnum):
    """What a block of the full backup is to a file that is put together."""

    NONE = 0
    # It is the file's.
    HELD = 1
    # Another backup has it, maybe as the difference from this one.
    OTHERS = 2
    # It is the file's by the difference of another backup, or of the backup itself.
    JOINED = 3
    OWN = 4
    # It is written, and a difference is applied to it later.
    BEFORE = 5


# By the place of a block.
_STATES = bytes(
    FullBlock.HELD if place == 0 else FullBlock.OTHERS if place < MOST_BACKUPS else FullBlock.NONE
    for place in range(256)
)
# By what it is: 1 where it is the file's.
IS_RIGHT = bytes(state in (FullBlock.HELD, FullBlock.JOINED, FullBlock.OWN) for state in range(256))
_NO_OTHERS = bytes.maketrans(bytes((FullBlock.OTHERS,)), bytes((FullBlock.NONE,)))


class Joining:
    """Joins blocks of the full backup with what is stored of them elsewhere in the chain.

    Its methods may be called from many threads.
    """

    def __init__(
        self,
        tables: Sequence[StoredTable],
        full_sizes: Mapping[int, int],
        differences: LinkedDifferences,
    ) -> None:
        """``tables``: of the full backup and of all links; ``full_sizes``: of its files."""
        self._tables, self._full_sizes = tables, full_sizes
        self._differences = differences

    def may_join(self, target: TargetFile, first: int, end: int) -> bool:
        """Whether there may be differences of some blocks in a row."""
        sources = self._tables[-1].sources_of(target.file.number)
        return any(
            self._differences.may_have(depth, source, first, end)
            for depth, source in enumerate(sources)
        )

    def states_of(self, target: TargetFile, first: int, end: int) -> bytearray:
        """Return of each block of the full backup what it is, as far as the table says it."""
        states = bytearray(target.places.between(first, end).translate(_STATES))
        return states if self.may_join(target, first, end) else states.translate(_NO_OTHERS)

    def join(
        self, target: TargetFile, extent: Extent, content: bytearray, at: int, states: bytearray
    ) -> None:
        """Make blocks of an extent, which is at ``at``, those that links have differences of.

        ``states`` has what each of its blocks is, and afterwards no ``OTHERS``.
        """
        first = extent.offset // BLOCK_BYTES
        sources = self._tables[-1].sources_of(target.file.number)
        places = target.places.between(first, first + len(states))
        wanted: dict[int, list[int]] = {}
        for place, depth in enumerate(places):
            if states[place] == FullBlock.OTHERS:
                wanted.setdefault(depth, []).append(first + place)
                states[place] = FullBlock.NONE
        start = at - extent.offset
        for depth, blocks in wanted.items():
            final = self._final_blocks(depth, target, extent, blocks)
            own = depth == len(self._tables) - 1
            joined = FullBlock.OWN if own else FullBlock.JOINED
            for found in self._differences.find_runs(depth, sources[depth], blocks):
                for run in found.parted_by(final):
                    if run.first not in final:
                        state = FullBlock.BEFORE
                    else:
                        state = joined
                        xor_at(content, start + run.first * BLOCK_BYTES, run.content)
                        target.places.take(run.first, run.end)
                    after = run.end - first
                    states[run.first - first : after] = bytes((state,)) * (run.end - run.first)

    def _final_blocks(
        self, depth: int, target: TargetFile, extent: Extent, blocks: Sequence[int]
    ) -> Collection[int]:
        """Return the blocks of which extent and difference are what both backups finally have."""
        first, end = blocks[0], blocks[-1] + 1
        source = self._tables[-1].sources_of(target.file.number)[depth]
        size = min(target.file.size, self._full_sizes.get(extent.file, 0))
        whole = range(
            -(-extent.offset // BLOCK_BYTES),
            min(extent.offset + extent.length, size) // BLOCK_BYTES,
        )
        changed = {
            *self._tables[0].changed_between(extent.file, first, end),
            *self._tables[depth].changed_between(source, first, end),
        }
        if not changed and not target.has_changes(first, end):
            return whole
        return {
            block
            for block in blocks
            if block in whole and block not in changed and block not in target.changes
        }
