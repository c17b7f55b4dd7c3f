"""How is a stored backup read: its manifest, its packs' indexes, its frames?"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from backups.archive.blocks.hashing import BLOCK_BYTES
from backups.archive.blocks.table import TABLE_FILE
from backups.archive.differing import xor
from backups.archive.frames import HEADER as FRAME_HEADER
from backups.archive.frames import Extent, Frame, open_compressed, open_frame, parse_header
from backups.archive.identity import CopyIdentity
from backups.archive.keys import Keyring
from backups.archive.manifest import Manifest, manifest_digest, open_manifest, read_envelope
from backups.archive.manifest_file import read_manifest
from backups.archive.packs import (
    HEADER,
    TRAILER,
    FramePlace,
    PackIndex,
    check_header,
    pack_name,
    parse_footer,
    parse_trailer,
)
from backups.exceptions import ArchiveError
from backups.repositories.base import ObjectStore
from backups.repositories.layout import manifest_name

DAMAGE_HINT = "Use another copy or backup, and take a new one now; a verify lists all damage."


class BackupReader:
    """One copy of one backup, opened. Its methods may be called from many threads."""

    def __init__(
        self,
        store: ObjectStore,
        folder: str,
        keyring: Keyring | None,
        expected: CopyIdentity | None = None,
    ) -> None:
        """Open what is in ``folder``; CopyChanged unless it is what is ``expected``."""
        self.store, self.folder = store, folder
        name = manifest_name(folder)
        blob = read_manifest(store, folder)
        self.manifest_bytes = len(blob)
        self.manifest: Manifest
        with naming(name):
            if expected is not None:
                # Before a byte of the body is believed: it may be forged, and without a seal.
                expected.check_unopened(read_envelope(blob), manifest_digest(blob))
            self.manifest, self.cipher = open_manifest(blob, keyring, self._stored_bytes)
            if expected is not None:
                expected.check(self.manifest)
        self.backup = self.manifest.envelope.backup
        # Gives what the full backup has where extents of this one are; None without the full one.
        self.basis: Callable[[Sequence[Extent]], bytes] | None = None

    def _stored_bytes(self) -> int:
        names = [name for name in self.store.list(f"{self.folder}/") if name.endswith(".pack")]
        return sum(self.store.size(name) for name in names)

    def pack_object(self, number: int) -> str:
        return f"{self.folder}/{pack_name(number)}"

    def check_sizes(self) -> None:
        """Raise ArchiveError unless every pack exists with the size in the manifest."""
        there = set(self.store.list(f"{self.folder}/"))
        names = [self.pack_object(pack.number) for pack in self.manifest.contents.packs]
        if missing := [name for name in names if name not in there]:
            raise ArchiveError(
                f"incomplete: {len(missing)} of {len(names)} packs are missing, first {missing[0]}",
                hint="An interrupted purge leaves this: delete the folder, or use another copy.",
            )
        for name, pack in zip(names, self.manifest.contents.packs, strict=True):
            self._check_size(name, pack.stored_bytes)

    def _check_size(self, name: str, expected: int) -> int:
        size = self.store.size(name)
        if size != expected:
            raise ArchiveError(f"{name} is {size} bytes, the manifest says {expected}")
        return size

    def read_index(self, number: int) -> PackIndex:
        """Read a pack's header and footer, and compare them with the manifest."""
        name = self.pack_object(number)
        with naming(name):
            return self._read_index(name, number)

    def _read_index(self, name: str, number: int) -> PackIndex:
        listed = self.manifest.contents.packs[number - 1]
        size = self._check_size(name, listed.stored_bytes)
        header = self.store.read(name, 0, HEADER.size)
        check_header(header, number, backup=self.backup, cipher=self.cipher)
        trailer = self.store.read(name, size - TRAILER.size, TRAILER.size)
        offset, length = parse_trailer(trailer, size)
        sealed = self.store.read(name, offset, length)
        index = parse_footer(sealed, number, offset, header=header, cipher=self.cipher)
        numbers = [place.number for place in index.frames]
        # The manifest's count may be anything: it is compared before as many numbers are made.
        if len(numbers) != listed.frames or numbers != list(
            range(listed.first_frame, listed.first_frame + len(numbers))
        ):
            raise ArchiveError(f"{name} does not hold the frames the manifest says")
        return index

    def find_frame(self, number: int) -> Frame:
        """Read a frame by its number."""
        packs = self.manifest.contents.packs
        pack = bisect_right(packs, number, key=lambda pack: pack.first_frame)
        if not pack or number >= packs[pack - 1].first_frame + packs[pack - 1].frames:
            raise ArchiveError(f"no pack of {self.manifest.envelope.label} has frame {number}")
        index = self.read_index(pack)
        return self.read_frame(pack, index.frames[number - packs[pack - 1].first_frame])

    def read_frame(self, pack: int, place: FramePlace) -> Frame:
        """Read, unseal and decompress one frame, and compare it with the index."""
        return self.open_read(pack, place, self.read_stored(pack, place))

    def read_stored(self, pack: int, place: FramePlace) -> bytes:
        """Read a frame as it is stored: nothing of it is checked yet."""
        return self.store.read(self.pack_object(pack), place.offset, place.stored_bytes)

    def open_read(self, pack: int, place: FramePlace, stored: bytes) -> Frame:
        """Unseal and decompress what ``read_stored`` returned, and compare it with the index."""
        with naming(f"{self.pack_object(pack)} at byte {place.offset}"):
            return self.open_frame(stored, place)

    def read_difference(self, pack: int, number: int, offset: int, stored_bytes: int) -> Frame:
        """Read a frame that holds differences, where its index says that it is."""
        name = self.pack_object(pack)
        stored = self.store.read(name, offset, stored_bytes)
        with naming(f"{name} at byte {offset}"):
            frame = self.open_frame_alone(stored)
            if frame.number != number or not frame.is_difference:
                raise ArchiveError(f"frame {number} is not the one its pack's index lists")
            return frame

    def read_compressed(self, pack: int, place: FramePlace) -> tuple[Frame, memoryview]:
        """Read a frame as ``read_frame`` does; return its compressed content as well."""
        name = self.pack_object(pack)
        stored = self.store.read(name, place.offset, place.stored_bytes)
        with naming(f"{name} at byte {place.offset}"):
            frame, compressed = open_compressed(stored, backup=self.backup, cipher=self.cipher)
            self._check_difference(frame)
            _check_place(frame, place)
            return frame, compressed

    def open_frame(self, stored: bytes, place: FramePlace) -> Frame:
        """Unseal and decompress a frame's stored bytes, and compare it with the index."""
        frame = self.open_frame_alone(stored)
        _check_place(frame, place)
        return frame

    def open_frame_alone(self, stored: bytes) -> Frame:
        """Unseal and decompress a frame without an index to compare it with."""
        frame = open_frame(stored, backup=self.backup, cipher=self.cipher)
        self._check_difference(frame)
        return frame

    def _check_difference(self, frame: Frame) -> None:
        """Refuse differences that no writer produces."""
        if not frame.is_difference:
            return
        blocks = self.manifest.contents.blocks
        if blocks is None or not blocks.differences:
            raise ArchiveError(
                f"frame {frame.number} holds differences, and the manifest says there are none"
            )
        for file, offset, length in frame.extents:
            whole = length and not offset % BLOCK_BYTES and not length % BLOCK_BYTES
            if not whole or file == TABLE_FILE:
                raise ArchiveError(f"frame {frame.number} holds differences of no whole blocks")

    def is_difference(self, pack: int, place: FramePlace) -> bool:
        """Whether a frame holds differences, as its header says; opening it checks that."""
        name = self.pack_object(pack)
        header = self.store.read(name, place.offset, FRAME_HEADER.size)
        with naming(f"{name} at byte {place.offset}"):
            return parse_header(header).is_difference

    def resolve(self, frame: Frame) -> Frame:
        """Return a frame with the bytes of the files instead of their differences."""
        if not frame.is_difference:
            return frame
        if self.basis is None:
            raise ArchiveError(
                f"frame {frame.number} holds differences, and the full backup is not at hand",
                hint=DAMAGE_HINT,
            )
        content = xor(frame.content, self.basis(frame.extents))
        return replace(frame, content=content, is_difference=False)


def _check_place(frame: Frame, place: FramePlace) -> None:
    if frame.number != place.number or frame.extents != place.extents:
        raise ArchiveError(f"frame {place.number} is not the one its pack's index lists")


@contextmanager
def naming(place: str) -> Iterator[None]:
    """Add the place and a hint to errors raised inside."""
    try:
        yield
    except ArchiveError as exc:
        text = str(exc)
        named = text if text.startswith(place) else f"{place}: {text}"
        raise type(exc)(named, hint=exc.hint or DAMAGE_HINT) from None
