"""Chains of backups, and histories of what a server's files may be, for tests."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import strategies as st

from backups.archive import gathering
from backups.archive.blocks.consolidate import consolidate
from backups.archive.blocks.differences import Differences
from backups.archive.blocks.full_blocks import FullBlocks
from backups.archive.blocks.hashing import BLOCK_BYTES
from backups.archive.cipher import AesGcm
from backups.archive.manifest import new_envelope, seal_manifest
from backups.archive.meter import Meter
from backups.archive.reader import BackupReader
from backups.archive.records import (
    Data,
    FileClosed,
    FileOpened,
    FileRemoved,
    FileRenamed,
    PhaseStarted,
    Record,
)
from backups.repositories.base import ObjectStore
from backups.repositories.layout import backup_folder, manifest_name
from tests.backups.archive.stores import (
    INSTANCE,
    KEYRING,
    KIB,
    MIB,
    extract_backup,
    make_store,
    never_stop,
    open_backup,
    write_backup,
)


class Chain:
    """Backups that go on from each other, in one repository."""

    def __init__(self, folder: Path) -> None:
        self.store: ObjectStore = make_store(folder / "repository")
        self.folder = folder
        self.links: list[str] = []
        self._written = 0

    def add(
        self,
        records: Iterable[Record],
        *,
        base: int | None = None,
        encrypted: bool = True,
        differences: bool = True,
    ) -> str:
        """Write a backup based on the last one, or on that of a number."""
        self._written += 1
        needs = self.links if base is None else self.links[: base + 1]
        full = FullBlocks(open_backup(self.store, needs[0])) if needs and differences else None
        link = write_backup(
            self.store,
            records,
            label=f"orders-1@20260302T01{self._written:02}00Z-{'I' if needs else 'F'}",
            encrypted=encrypted,
            base=open_backup(self.store, needs[-1]) if needs else None,
            differences=Differences(full) if full else None,
        )
        self.links = [*needs, link]
        return link

    def opened(self) -> list[BackupReader]:
        return [open_backup(self.store, link) for link in self.links]

    def consolidate(self) -> str:
        """Make a full backup of the last link; further links go on from it."""
        chain = self.opened()
        label = f"{chain[-1].manifest.envelope.label[:-1]}F"
        folder, identity, key = backup_folder(INSTANCE, label), uuid.uuid4(), os.urandom(32)
        contents = consolidate(
            chain,
            [self.store],
            folder,
            backup=identity,
            cipher=AesGcm(key),
            threads=2,
            level=1,
            check=never_stop,
            meter=Meter(),
        )
        envelope = new_envelope(identity, label, key, KEYRING.current)
        about = {"uuid": str(identity), "label": label}
        with self.store.create(manifest_name(folder)) as upload:
            upload.write(seal_manifest(envelope, about, contents, AesGcm(key)))
            upload.commit()
        self.links = [folder]
        return folder

    def stored_bytes(self) -> int:
        return open_backup(self.store, self.links[-1]).manifest.contents.raw_bytes

    def restored(self, name: str = "out") -> dict[str, bytes]:
        *needs, last = self.links
        return extract_backup(self.store, last, self.folder / name, needs=needs)


@contextmanager
def everything_differs() -> Iterator[None]:
    """Have differences stored of all blocks that the full backup has, however large they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gathering, "SMALL", 10)
        yield


def changed(content: bytes, at: int, piece: bytes) -> bytes:
    return content[:at] + piece + content[at + len(piece) :]


def ibd(space: int, content: bytes) -> bytes:
    """A file whose first page says which tablespace it is."""
    page = bytearray(os.urandom(BLOCK_BYTES))
    page[4:8] = bytes(4)
    page[34:38] = space.to_bytes(4, "big")
    return bytes(page) + content


State = dict[str, bytes]
NAMES = ("s/a.ibd", "s/b.ibd", "c.MYD", "d")
CHANGES = ("new", "write", "write", "zero", "empty", "cut", "grow", "reserve", "drop", "swap")


def _change(draw: st.DrawFn, state: State) -> None:
    """Let something happen to a file."""
    name = draw(st.sampled_from(NAMES))
    content = state.get(name, b"")
    match draw(st.sampled_from(CHANGES)):
        case "new":
            body = draw(st.integers(0, 5 * BLOCK_BYTES))
            state[name] = ibd(draw(st.integers(1, 5)), os.urandom(body))
        case "write" if content:
            at = draw(st.integers(0, len(content) - 1))
            state[name] = changed(content, at, os.urandom(20))[: len(content)]
        case "zero" if content:
            at = draw(st.integers(0, len(content) - 1)) // BLOCK_BYTES * BLOCK_BYTES
            piece = bytes(min(BLOCK_BYTES, len(content) - at))
            state[name] = changed(content, at, piece)
        case "empty" if content:
            kept = changed(content, 0, os.urandom(20))[: draw(st.integers(0, len(content)))]
            state[name] = kept.ljust(len(content), b"\0")
        case "reserve":
            state[name] = content + bytes(draw(st.integers(1, 2 * BLOCK_BYTES)))
        case "cut":
            state[name] = content[: draw(st.integers(0, len(content)))]
        case "grow":
            state[name] = content + os.urandom(draw(st.integers(1, 2 * BLOCK_BYTES)))
        case "drop":
            state.pop(name, None)
        case "swap":
            other = draw(st.sampled_from(NAMES))
            if name in state and other in state:
                state[name], state[other] = state[other], state[name]


@st.composite
def states(draw: st.DrawFn) -> list[State]:
    """What a server's files are at each backup. Their last bytes are often zeros."""
    state: State = {
        "c.MYD": os.urandom(3 * BLOCK_BYTES + 9000),
        "s/a.ibd": ibd(1, os.urandom(40_000)),
    }
    found = []
    for _ in range(draw(st.integers(2, 4))):
        for _ in range(draw(st.integers(0, 4))):
            _change(draw, state)
        found.append(dict(state))
    return found


def sent(state: State, draw: st.DataObject) -> Iterator[Record]:
    """The stream of a copy: pieces of odd sizes, later phases, holes, renames, files that go."""
    piece = draw.draw(st.sampled_from([1000, 4 * KIB, BLOCK_BYTES, 40_000, MIB]))
    order = draw.draw(st.permutations(sorted(state)))
    numbers = {path: number for number, path in enumerate(order, start=1)}
    late: list[tuple[int, int, bytes]] = []
    # Zeros at the end of a piece are not sent.
    holes = draw.draw(st.booleans())
    # The files of the base are found by path, unless they have another until the end.
    suffix = draw.draw(st.sampled_from(["", "", ".tmp"]))
    if draw.draw(st.booleans()):
        yield FileOpened(99, "gone")
        yield Data(99, 0, memoryview(b"gone" * 9000))
        yield FileClosed(99, 36_000)
    for path, number in numbers.items():
        content = state[path]
        yield FileOpened(number, path + suffix)
        for at in range(0, len(content), piece):
            part = content[at : at + piece]
            if holes and not (part := part.rstrip(b"\0")):
                continue
            if draw.draw(st.integers(0, 3)) == 0:
                # Torn: a later phase brings the right bytes.
                late.append((number, at, part))
                part = os.urandom(len(part))
            yield Data(number, at, memoryview(part))
    if late:
        yield PhaseStarted()
        for number, at, part in late:
            yield Data(number, at, memoryview(part))
    for path, number in numbers.items():
        if suffix:
            yield FileRenamed(number, path)
        yield FileClosed(number, len(state[path]))
    if 99 not in numbers.values() and draw.draw(st.booleans()):
        yield FileOpened(100, "short")
        yield FileRemoved(100)
