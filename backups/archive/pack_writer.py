"""Writes frames in order into packs, in every store at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

from backups.archive.cipher import Cipher
from backups.archive.contents import StoredPack
from backups.archive.frames import Extent
from backups.archive.packs import (
    FULL_BYTES,
    FULL_EXTENTS,
    FramePlace,
    PackIndex,
    build_header,
    build_tail,
    pack_name,
)
from backups.repositories.base import Upload
from backups.repositories.several import Stores, as_several


@dataclass(frozen=True, slots=True)
class BuiltFrame:
    """A frame ready to be stored, and the current paths of the files in it."""

    number: int
    extents: Sequence[Extent]
    stored: bytes
    paths: Mapping[int, str]
    is_difference: bool = False


class PackSink:
    """Owned by one thread at a time; only committing happens in another."""

    def __init__(
        self,
        stores: Stores,
        folder: str,
        *,
        backup: UUID,
        cipher: Cipher,
        check: Callable[[], None],
        full_bytes: int = FULL_BYTES,
    ) -> None:
        self._full_bytes = full_bytes
        self._stores, self._folder = as_several(stores), folder
        self._backup, self._cipher, self._check = backup, cipher, check
        self._open: _OpenPack | None = None
        self._packs: list[StoredPack] = []
        self._finisher = ThreadPoolExecutor(1, thread_name_prefix="finish")
        self._finishing: Future[None] | None = None
        # First and last pack of each file.
        self.pack_ranges: dict[int, tuple[int, int]] = {}

    def put(self, frame: BuiltFrame) -> None:
        if self._open is None:
            self._open = self._begin(len(self._packs) + 1)
        pack = self._open
        pack.add(frame)
        for file in frame.paths:
            first, _ = self.pack_ranges.get(file, (pack.index.number, 0))
            self.pack_ranges[file] = (first, pack.index.number)
        if pack.size >= self._full_bytes or pack.extents >= FULL_EXTENTS:
            self._complete(pack)

    def finish(self) -> tuple[StoredPack, ...]:
        """Complete the last pack and wait until every one is durable."""
        if self._open is not None:
            self._complete(self._open)
        self._wait()
        self._finisher.shutdown()
        return tuple(self._packs)

    def abort(self) -> None:
        """Drop the open pack, and wait for the one being committed."""
        try:
            if self._open is not None:
                self._open.drop()
        finally:
            self._open = None
            self._finisher.shutdown()

    def _begin(self, number: int) -> _OpenPack:
        name = f"{self._folder}/{pack_name(number)}"
        header = build_header(number, backup=self._backup, cipher=self._cipher)
        upload = self._stores.create(name)
        try:
            return _OpenPack(number, upload, header)
        except BaseException:
            _drop(upload)
            raise

    def _complete(self, pack: _OpenPack) -> None:
        """Commit in the background, at most one pack behind, because syncing is slow."""
        self._packs.append(pack.end(self._cipher))
        self._open = None
        try:
            self._wait()
        except BaseException:
            pack.drop()
            raise
        self._finishing = self._finisher.submit(pack.commit, self._check)

    def _wait(self) -> None:
        if self._finishing is not None:
            self._finishing.result()
            self._finishing = None


class _OpenPack:
    """A pack being written to every store."""

    def __init__(self, number: int, upload: Upload, header: bytes) -> None:
        self.index = PackIndex(number)
        self.size = 0
        self.extents = 0
        self._upload = upload
        self._header = header
        self._digest = hashlib.sha256()
        self._write(header)

    def add(self, frame: BuiltFrame) -> None:
        raw_bytes = sum(extent.length for extent in frame.extents)
        place = FramePlace(frame.number, self.size, len(frame.stored), raw_bytes, frame.extents)
        self.index.frames.append(place)
        self.index.paths.update(frame.paths)
        self.extents += len(frame.extents)
        self._write(frame.stored)

    def end(self, cipher: Cipher) -> StoredPack:
        self._write(build_tail(self.index, self.size, header=self._header, cipher=cipher))
        frames = self.index.frames
        return StoredPack(
            self.index.number,
            self.size,
            self._digest.hexdigest(),
            frames[0].number,
            len(frames),
            sum(place.raw_bytes for place in frames),
        )

    def commit(self, check: Callable[[], None]) -> None:
        with self._upload:
            check()
            self._upload.commit()

    def drop(self) -> None:
        _drop(self._upload)

    def _write(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self._upload.write(chunk)
        self.size += len(chunk)


def _drop(upload: Upload) -> None:
    """Leave an upload without a commit."""
    with upload:
        pass
