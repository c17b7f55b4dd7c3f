"""How are the files of a backup put together from the backups of its chain?

Each block is read and written once, from the backup that has it; where that is the difference from
the full backup's block, that one comes before, and both are joined before they are written. Then
comes what the backup itself overrides in later phases. Every block is held against the backup's own
table: one that a wrong base, a wrong link or a fault of ours put there does not pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from backups.archive.blocks.full_blocks import FullBlocks
from backups.archive.blocks.hashing import BLOCK_BYTES, HASH_BYTES, UNKNOWN
from backups.archive.blocks.joining import IS_RIGHT, FullBlock, Joining, TargetFile
from backups.archive.blocks.linked_differences import LinkedDifferences
from backups.archive.blocks.places import TAKEN, Places, runs_with
from backups.archive.blocks.reading import StoredTable
from backups.archive.contents import StoredFile
from backups.archive.differing import xor
from backups.archive.frames import Extent, Frame
from backups.archive.needed_frames import FrameList, frames_to_take
from backups.archive.output import FilePiece
from backups.archive.reader import BackupReader
from backups.exceptions import ArchiveError

_NOT_TAKEN = bytes(place != TAKEN for place in range(256))
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
        differences are of is then among those of the full one, if ``find_differences`` came
        before, and is read from there where it was not joined. Without it, it is read from the
        full backup for each difference.
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
        self._differences = LinkedDifferences(chain)
        self._joining = Joining(self._tables, self._sizes[0], self._differences)
        # Frames of backups with differences that hold none, and have bytes to take.
        self._plain: dict[int, FrameList] = {}

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

    def find_differences(self, check: Callable[[], None]) -> None:
        """Find out which frames hold differences: they are joined with the full backup's blocks."""
        for depth, table in enumerate(self._tables):
            if not table.blocks.differences:
                continue
            reader, plain = self.chain[depth], FrameList()
            for pack, place in frames_to_take(reader, self, depth):
                check()
                if reader.is_difference(pack, place):
                    self._differences.note(depth, pack, place)
                else:
                    plain.add(pack, place)
            self._plain[depth] = plain
        self._differences.all_noted()
        for number, target in self._targets.items():
            sources = self._table.sources_of(number)
            differs = any(
                self._differences.has_any(depth, source) for depth, source in enumerate(sources)
            )
            full = self._uses[0].setdefault(sources[0], [])
            if differs and sources[0] in self._sizes[0] and target not in full:
                full.append(target)

    def sources(self, depth: int) -> Iterator[StoredFile]:
        """Yield the files of a backup of the chain that have bytes to take."""
        for file in self.chain[depth].manifest.contents.files:
            if self._uses[depth].get(file.number):
                yield file

    def live_bytes(self, depth: int) -> int:
        """Return about how many bytes are taken from a backup of the chain."""
        if depth == self._own:
            return sum(target.file.written_bytes for target in self._targets.values())
        targets = [target for each in self._uses[depth].values() for target in each]
        return sum(target.places.count(depth) for target in targets) * BLOCK_BYTES

    def needs(self, depth: int, extents: Sequence[Extent]) -> bool:
        """Whether a frame of a backup has bytes to take."""
        return any(
            self._needs(depth, target, first, end)
            for file, first, end in _blocks_of(extents)
            for target in self._uses[depth].get(file, ())
        )

    def _needs(self, depth: int, target: TargetFile, first: int, end: int) -> bool:
        if depth == self._own:
            # All that it stored, whatever the table says, but for what was joined.
            return target.places.between(first, end).count(TAKEN) < end - first
        if target.places.has(depth, first, end):
            return True
        return depth == 0 and self._joining.may_join(target, first, end)

    def left(self, depth: int) -> FrameList | None:
        """Return all frames of a backup with bytes to take, where they are known."""
        if depth not in self._plain:
            return None
        for file, first, end in self._differences.spans(depth):
            for target in self._uses[depth].get(file, ()):
                if target.places.has(depth, first, end):
                    return None
        return self._plain[depth]

    def read_before(self, depth: int) -> Mapping[int, int]:
        """Return the stored bytes of each frame of a backup that was read already, by number."""
        return self._differences.read_of(depth)

    def take(self, depth: int, frame: Frame) -> Iterator[FilePiece]:
        """Yield what of a frame of a backup belongs into the files, each block checked."""
        start = 0
        view = memoryview(frame.content)
        for extent in frame.extents:
            content = view[start : start + extent.length]
            start += extent.length
            for target in self._uses[depth].get(extent.file, ()):
                if depth == 0:
                    yield from self._take_full(target, extent, content)
                elif depth == self._own:
                    yield from self._take_own(target, extent, content, frame)
                else:
                    yield from self._take_extent(depth, target, extent, content, frame)

    def unchecked(self) -> Iterator[tuple[StoredFile, int, bytes]]:
        """Yield file, block and hash of what could not be checked piece by piece."""
        for number, target in self._targets.items():
            for block in target.places.unchecked():
                digest, _ = self._table.find_first(number, block)
                if block not in target.changes and digest != UNKNOWN:
                    yield target.file, block, digest
            for block, digest in target.changes.items():
                if digest != UNKNOWN and block * BLOCK_BYTES < target.file.size:
                    yield target.file, block, digest

    def check(self, file: StoredFile, block: int, digest: bytes, content: bytes) -> None:
        """Raise ArchiveError unless a block of a file is what the table says."""
        if self._table.hasher.hash(content) != digest:
            raise _mismatch(file, block)

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
    ) -> Iterator[FilePiece]:
        """All that the backup itself stored: what its base lacks, and what overrides it."""
        number, offset = target.file.number, extent.offset
        if offset + extent.length > target.file.size:
            raise ArchiveError(f"a frame reaches past the end of {target.file.path}")
        if not frame.is_difference:
            self._check_run(self._own, target, extent.file, offset, content)
            yield FilePiece(number, offset, content, extent.length)
            return
        first, end = first_and_end(extent)
        for run in runs_with(target.places.between(first, end).translate(_NOT_TAKEN), 1):
            start, part = _cut((first + run[0], first + run[1]), target, extent, content)
            there = Extent(number, start, len(part))
            part = self._without_difference(self._own, target, there, part)
            self._check_run(self._own, target, number, start, part)
            yield FilePiece(number, start, part, len(part))

    def _take_extent(
        self, depth: int, target: TargetFile, extent: Extent, content: memoryview, frame: Frame
    ) -> Iterator[FilePiece]:
        """Runs of blocks of which the backup is the one to take them from."""
        for run in target.places.runs_of(depth, *first_and_end(extent)):
            start, part = _cut(run, target, extent, content)
            if not part:
                continue
            if frame.is_difference:
                there = Extent(extent.file, start, len(part))
                part = self._without_difference(depth, target, there, part)
            self._check_run(depth, target, extent.file, start, part)
            yield FilePiece(target.file.number, start, part)

    def _take_full(
        self, target: TargetFile, extent: Extent, content: memoryview
    ) -> Iterator[FilePiece]:
        """Blocks of the full backup, joined with the differences that links have of them."""
        first, end = first_and_end(extent)
        states = self._joining.states_of(target, first, end)
        if FullBlock.OTHERS in states:
            joined = bytearray(content)
            self._joining.join(target, extent, joined, 0, states)
            content = memoryview(joined)
        for run in runs_with(states.translate(IS_RIGHT), 1):
            start, part = _cut((first + run[0], first + run[1]), target, extent, content)
            if part:
                own = states.count(FullBlock.OWN, *run)
                self._check_run(0, target, extent.file, start, part)
                yield FilePiece(target.file.number, start, part, own * BLOCK_BYTES)
        for run in runs_with(states, FullBlock.BEFORE):
            start, part = _cut((first + run[0], first + run[1]), target, extent, content)
            if part:
                yield FilePiece(target.file.number, start, part)

    def _check_run(
        self, depth: int, target: TargetFile, source: int, start: int, content: memoryview
    ) -> None:
        """Check the blocks that are there as a whole, and that no later phase overrides."""
        first, end = start // BLOCK_BYTES, -(-(start + len(content)) // BLOCK_BYTES)
        if start % BLOCK_BYTES or len(content) % BLOCK_BYTES or target.has_changes(first, end):
            whole = False
        else:
            whole = not self._tables[depth].has_changes(source, first, end)
        if not whole:
            self._check_parts(depth, target, source, start, content)
            return
        hashes = self._table.hasher.hash_all(content)
        known, _ = self._table.find_all(target.file.number, first, end - first)
        if hashes != known:
            for at in range(0, len(hashes), HASH_BYTES):
                wanted = known[at : at + HASH_BYTES]
                if wanted not in (UNKNOWN, hashes[at : at + HASH_BYTES]):
                    raise _mismatch(target.file, first + at // HASH_BYTES)
        target.places.set_all_checked(first, end)

    def _check_parts(
        self, depth: int, target: TargetFile, source: int, start: int, content: memoryview
    ) -> None:
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


def _mismatch(file: StoredFile, block: int) -> ArchiveError:
    return ArchiveError(
        f"block {block} of {file.path} does not match the backup's table",
        hint="A backup of the chain is damaged or another one's. Use another copy.",
    )


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
        yield extent.file, *first_and_end(extent)


def first_and_end(extent: Extent) -> tuple[int, int]:
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
