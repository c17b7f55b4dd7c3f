"""How are the files of a backup put together from the backups of its chain?

Each block is read and written once, from the backup that has it; where that is the difference from
the full backup's block, that one comes before. Then comes what the backup itself overrides in later
phases. Every block is held against the backup's own table: one that a wrong
base, a wrong link or a fault of ours put there does not pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from backups.archive.blocks.full_blocks import FullBlocks
from backups.archive.blocks.hashing import BLOCK_BYTES, UNKNOWN
from backups.archive.blocks.places import Places
from backups.archive.blocks.reading import StoredTable
from backups.archive.contents import StoredFile
from backups.archive.differing import xor
from backups.archive.frames import Extent, Frame
from backups.archive.output import FilePiece
from backups.archive.reader import BackupReader
from backups.exceptions import ArchiveError


@dataclass(slots=True)
class TargetFile:
    """A file that is put together."""

    file: StoredFile
    places: Places
    changes: dict[int, bytes] = field(default_factory=dict)


# Returns bytes that were written to a file, by its number, from an offset on.
ReadWritten = Callable[[int, int, int], bytes]


class Assembly:
    """The wanted files of one backup, and what each backup of its chain has of them.

    Its methods may be called from many threads.
    """

    def __init__(
        self,
        chain: Sequence[BackupReader],
        wanted: Iterable[StoredFile],
        *,
        read_written: ReadWritten | None = None,
    ) -> None:
        """``chain`` begins with the full backup and ends with the one to put together.

        With ``read_written``, pieces are written before those of the next backup are taken: what
        differences are of is then among those of the full one, if all were noted, and is read
        from there. Without it, it is read from the full backup for each difference.
        """
        self.chain = chain
        self._read_written = read_written
        self._tables = [StoredTable(reader) for reader in chain]
        self._table = self._tables[-1]
        check_chain(self._tables, chain)
        self._own = len(chain) - 1
        self._set_basis()
        self._sizes = [
            {file.number: file.size for file in reader.manifest.contents.files} for reader in chain
        ]
        self._targets = {file.number: self._target(file) for file in wanted}
        # For each backup: its number of a file, and the files that are put together from it.
        self._uses: list[dict[int, list[TargetFile]]] = [{} for _ in chain]
        self._find_uses()

    def _find_uses(self) -> None:
        for number, target in self._targets.items():
            used = target.places.numbers() | {self._own}
            for depth, source in enumerate(self._table.sources_of(number)):
                if depth not in used:
                    continue
                if depth == self._own or (source and source in self._sizes[depth]):
                    self._uses[depth].setdefault(source, []).append(target)
                else:
                    raise ArchiveError(
                        f"block table takes {target.file.path} from a backup that does not have it"
                    )

    def has_differences(self, depth: int) -> bool:
        return self._tables[depth].blocks.differences > 0

    def note_differences(self, depth: int, extents: Sequence[Extent]) -> None:
        """Have the full backup's blocks taken of which a frame of a backup has differences.

        No others: what of a block was never sent is zeros, and not what another backup has.
        """
        for file, first, end in _blocks_of(extents):
            for target in self._uses[depth].get(file, ()):
                known = target.places.differs
                target.places.set_differing(depth, first, end)
                if target.places.differs and not known and 0 not in target.places.numbers():
                    source = self._table.sources_of(target.file.number)[0]
                    self._uses[0].setdefault(source, []).append(target)

    def sources(self, depth: int) -> Iterator[StoredFile]:
        """Yield the files of a backup of the chain that have bytes to take."""
        for file in self.chain[depth].manifest.contents.files:
            if file.number in self._uses[depth]:
                yield file

    def live_bytes(self, depth: int) -> int:
        """Return about how many bytes are taken from a backup of the chain."""
        if depth == self._own:
            return sum(target.file.written_bytes for target in self._targets.values())
        targets = [target for each in self._uses[depth].values() for target in each]
        blocks = sum(target.places.count(depth) for target in targets)
        if depth == 0:
            blocks += sum(target.places.count_differing() for target in targets)
        return blocks * BLOCK_BYTES

    def needs(self, depth: int, extents: Sequence[Extent]) -> bool:
        """Whether a frame of a backup has bytes to take."""
        if depth == self._own:
            return any(extent.file in self._targets for extent in extents)
        return any(
            target.places.has(depth, first, end)
            or (depth == 0 and target.places.has_differing(first, end))
            for file, first, end in _blocks_of(extents)
            for target in self._uses[depth].get(file, ())
        )

    def take(self, depth: int, frame: Frame) -> Iterator[FilePiece]:
        """Yield what of a frame of a backup belongs into the files, each block checked."""
        start = 0
        view = memoryview(frame.content)
        for extent in frame.extents:
            content = view[start : start + extent.length]
            start += extent.length
            for target in self._uses[depth].get(extent.file, ()):
                if depth == self._own:
                    yield self._take_own(target, extent, content, frame)
                else:
                    yield from self._take_extent(depth, target, extent, content, frame)

    def unchecked(self) -> Iterator[tuple[StoredFile, int, bytes]]:
        """Yield file, block and hash of what could not be checked piece by piece."""
        for number, target in self._targets.items():
            for content in self._table.pieces_of(number):
                for place in range(len(content.places)):
                    block = content.first_block + place
                    if block * BLOCK_BYTES >= target.file.size:
                        break
                    if target.places.is_checked(block) or block in target.changes:
                        continue
                    if (digest := content.hash_of(block)) != UNKNOWN:
                        yield target.file, block, digest
            for block, digest in target.changes.items():
                if digest != UNKNOWN and block * BLOCK_BYTES < target.file.size:
                    yield target.file, block, digest

    def check(self, file: StoredFile, block: int, digest: bytes, content: bytes) -> None:
        """Raise ArchiveError unless a block of a file is what the table says."""
        if self._table.hasher.hash(content) != digest:
            raise ArchiveError(
                f"block {block} of {file.path} does not match the backup's table",
                hint="A backup of the chain is damaged or another one's. Use another copy.",
            )

    def _target(self, file: StoredFile) -> TargetFile:
        blocks = -(-file.size // BLOCK_BYTES)
        places = Places(self._table.pieces_of(file.number), blocks)
        if any(number > self._own for number in places.numbers()):
            raise ArchiveError(f"block table takes {file.path} from a backup beyond its chain")
        return TargetFile(file, places, dict(self._table.changes_of(file.number)))

    def _set_basis(self) -> None:
        """Let each backup with differences find what they are of."""
        full = FullBlocks(self.chain[0])
        for reader, table in zip(self.chain[1:], self._tables[1:], strict=True):
            if table.blocks.differences:
                reader.basis = partial(_read_full, full, table.blocks.sources)

    def _without_difference(
        self, depth: int, target: TargetFile, extent: Extent, content: memoryview
    ) -> memoryview:
        """Return the bytes of the file whose differences are in an extent of a backup."""
        if self._read_written is not None:
            number, length = target.file.number, extent.length
            before = self._read_written(number, extent.offset, length).ljust(length, b"\0")
        elif (basis := self.chain[depth].basis) is not None:
            before = basis([extent])
        else:
            raise ArchiveError("a frame holds differences, and the manifest says there are none")
        return memoryview(xor(content, before))

    def _take_own(
        self, target: TargetFile, extent: Extent, content: memoryview, frame: Frame
    ) -> FilePiece:
        """All that the backup itself stored: what its base lacks, and what overrides it."""
        if extent.offset + extent.length > target.file.size:
            raise ArchiveError(f"a frame reaches past the end of {target.file.path}")
        if frame.is_difference:
            content = self._without_difference(self._own, target, extent, content)
        self._check_run(self._own, target, extent.file, extent.offset, content)
        return FilePiece(target.file.number, extent.offset, content)

    def _take_extent(
        self, depth: int, target: TargetFile, extent: Extent, content: memoryview, frame: Frame
    ) -> Iterator[FilePiece]:
        """Runs of blocks of which the backup is the one to take them from, or what they are of."""
        blocks = _first_and_end(extent)
        for run in target.places.runs_of(depth, *blocks):
            start, part = _cut(run, target, extent, content)
            if not part:
                continue
            if frame.is_difference:
                there = Extent(extent.file, start, len(part))
                part = self._without_difference(depth, target, there, part)
            self._check_run(depth, target, extent.file, start, part)
            yield FilePiece(target.file.number, start, part)
        if depth == 0:
            for run in target.places.runs_differing(*blocks):
                yield FilePiece(target.file.number, *_cut(run, target, extent, content))

    def _check_run(
        self, depth: int, target: TargetFile, source: int, start: int, content: memoryview
    ) -> None:
        """Check the blocks that are there as a whole, and that no later phase overrides."""
        file_end = min(target.file.size, self._sizes[depth].get(source, 0))
        end = start + len(content)
        for block in range(start // BLOCK_BYTES, -(-end // BLOCK_BYTES)):
            first, after = block * BLOCK_BYTES, min((block + 1) * BLOCK_BYTES, file_end)
            if block in target.changes or self._tables[depth].is_changed(source, block):
                continue
            if first < start or after > end:
                target.places.set_checked(block, checked=False)
                continue
            digest, _ = self._table.find(target.file.number, block)
            if digest != UNKNOWN:
                part = content[first - start : after - start]
                self.check(target.file, block, digest, bytes(part))
            target.places.set_checked(block)


def check_chain(tables: Sequence[StoredTable], chain: Sequence[BackupReader]) -> None:
    """Raise ArchiveError unless these are the backups the last one needs, in their order."""
    table = tables[-1]
    needed = [(each.uuid, each.digest) for each in table.blocks.ancestors]
    given = [(str(reader.backup), reader.manifest.digest) for reader in chain[:-1]]
    if needed != given:
        named = ", ".join(each.label for each in table.blocks.ancestors) or "no other backup"
        raise ArchiveError(
            f"{chain[-1].manifest.envelope.label} needs {named}; what was given are others, or "
            "their manifests have changed",
            hint="Use another copy of the chain, or restore another backup.",
        )
    if any(each.blocks.key != table.blocks.key for each in tables):
        raise ArchiveError("the backups of the chain hash their blocks with different keys")


def _read_full(
    full: FullBlocks, sources: Mapping[int, Sequence[int]], extents: Sequence[Extent]
) -> bytes:
    """Return what the full backup has where extents of another one are."""
    return full.read([each._replace(file=sources.get(each.file, (0,))[0]) for each in extents])


def _blocks_of(extents: Sequence[Extent]) -> Iterator[tuple[int, int, int]]:
    for extent in extents:
        yield extent.file, *_first_and_end(extent)


def _first_and_end(extent: Extent) -> tuple[int, int]:
    """Return the blocks of which an extent has bytes."""
    return extent.offset // BLOCK_BYTES, -(-(extent.offset + extent.length) // BLOCK_BYTES)


def _cut(
    run: tuple[int, int], target: TargetFile, extent: Extent, content: memoryview
) -> tuple[int, memoryview]:
    """Return what an extent has of blocks in a row and of the file, and where it begins."""
    start = max(run[0] * BLOCK_BYTES, extent.offset)
    stop = min(run[1] * BLOCK_BYTES, extent.offset + extent.length, target.file.size)
    # Of a block in which the file ends, an extent may have only what is beyond.
    return start, content[start - extent.offset : max(start, stop) - extent.offset]
