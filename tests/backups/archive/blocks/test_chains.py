"""Is what a chain restores, byte for byte, the copy that the engine sent?"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.archive.blocks.assemble import Assembly
from backups.archive.blocks.hashing import BLOCK_BYTES
from backups.archive.records import (
    Data,
    FileClosed,
    FileOpened,
    FileRemoved,
    FileRenamed,
    PhaseStarted,
    Record,
)
from backups.exceptions import ArchiveError
from backups.repositories.base import ObjectStore
from tests.backups.archive.stores import (
    KIB,
    MIB,
    extract_backup,
    make_store,
    open_backup,
    records_of,
    verify_backup,
    write_backup,
)

BIG = os.urandom(5 * MIB + 17)


class Chain:
    """Backups that go on from each other, in one repository."""

    def __init__(self, folder: Path) -> None:
        self.store: ObjectStore = make_store(folder / "repository")
        self.folder = folder
        self.links: list[str] = []
        self._written = 0

    def add(
        self, records: Iterable[Record], *, base: int | None = None, encrypted: bool = True
    ) -> str:
        """Write a backup that goes on from the last one, or from that of a number."""
        self._written += 1
        needs = self.links if base is None else self.links[: base + 1]
        link = write_backup(
            self.store,
            records,
            label=f"orders-1@20260302T01{self._written:02}00Z-{'I' if needs else 'F'}",
            encrypted=encrypted,
            base=open_backup(self.store, needs[-1]) if needs else None,
        )
        self.links = [*needs, link]
        return link

    def stored_bytes(self) -> int:
        return open_backup(self.store, self.links[-1]).manifest.contents.raw_bytes

    def restored(self, name: str = "out") -> dict[str, bytes]:
        *needs, last = self.links
        return extract_backup(self.store, last, self.folder / name, needs=needs)


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path)


def changed(content: bytes, at: int, piece: bytes) -> bytes:
    return content[:at] + piece + content[at + len(piece) :]


@pytest.mark.parametrize("encrypted", [True, False])
def test_an_increment_stores_what_changed_and_restores_everything(
    chain: Chain, encrypted: bool
) -> None:
    before = {"ibdata1": BIG, "shop/orders.ibd": bytes(MIB), "shop/a.frm": b"frm", "e": b""}
    after = {**before, "ibdata1": changed(BIG, 3 * MIB + 5, b"new"), "shop/b.frm": b"frm 2"}
    chain.add(records_of(before), encrypted=encrypted)
    chain.add(records_of(after), encrypted=encrypted)
    assert chain.restored() == after
    assert chain.stored_bytes() < BLOCK_BYTES + 20 * KIB
    assert verify_backup(chain.store, chain.links[-1]).damages == []


def test_a_link_that_changes_nothing_stores_its_table_only(chain: Chain) -> None:
    files = {"ibdata1": BIG}
    for _ in range(3):
        chain.add(records_of(files))
    assert chain.restored() == files
    assert chain.stored_bytes() < 10 * KIB


def test_a_differential_needs_the_full_only(chain: Chain) -> None:
    chain.add(records_of({"a": BIG}))
    chain.add(records_of({"a": changed(BIG, 0, b"one")}))
    last = changed(BIG, MIB, b"two")
    chain.add(records_of({"a": last}), base=0)
    assert len(chain.links) == 2
    assert chain.restored() == {"a": last}


def test_bytes_that_became_zeros_are_zeros(chain: Chain) -> None:
    chain.add(records_of({"a": BIG, "b": BIG}))
    hollow = bytes(MIB) + BIG[MIB:]
    records = [
        *records_of({"a": hollow}),
        # A hole that is never sent.
        FileOpened(2, "b"),
        Data(2, MIB, memoryview(BIG)[MIB:]),
        FileClosed(2, len(BIG)),
    ]
    chain.add(records)
    assert chain.restored() == {"a": hollow, "b": hollow}


def test_files_shrink_grow_and_disappear(chain: Chain) -> None:
    chain.add(records_of({"shrinks": BIG, "grows": BIG, "goes": BIG, "tail": b"x" * 20_000}))
    after = {"shrinks": BIG[: MIB + 3], "grows": BIG + b"more", "tail": b"x" * 20_001}
    chain.add(records_of(after))
    chain.add(records_of(after))
    assert chain.restored() == after


def ibd(space: int, content: bytes) -> bytes:
    """A file whose first page says which tablespace it is."""
    page = bytearray(os.urandom(BLOCK_BYTES))
    page[4:8] = bytes(4)
    page[34:38] = space.to_bytes(4, "big")
    return bytes(page) + content


def test_tables_whose_names_were_swapped_are_found_by_their_ids(chain: Chain) -> None:
    one, two = ibd(7, os.urandom(MIB)), ibd(8, os.urandom(MIB))
    chain.add(records_of({"s/a.ibd": one, "s/b.ibd": two}))
    chain.add(records_of({"s/b.ibd": one, "s/a.ibd": two}))
    assert chain.stored_bytes() < 10 * KIB
    assert chain.restored() == {"s/b.ibd": one, "s/a.ibd": two}


def test_a_table_made_anew_under_an_old_name_beside_the_old_one(chain: Chain) -> None:
    old = ibd(7, os.urandom(MIB))
    new = ibd(9, os.urandom(MIB))
    chain.add(records_of({"s/a.ibd": old}))
    after = {"s/a.ibd": new, "s/old.ibd": old}
    chain.add(records_of(after))
    chain.add(records_of(after))
    assert chain.restored() == after


def test_a_later_phase_overrides_and_the_next_link_knows(chain: Chain) -> None:
    page = os.urandom(BLOCK_BYTES)

    def clone(number: int = 1) -> Iterator[Record]:
        yield FileOpened(number, "a.ibd")
        yield Data(number, 0, memoryview(BIG))
        yield PhaseStarted()
        yield Data(number, BLOCK_BYTES, memoryview(page))
        # Less than a block: nobody knows the whole of it.
        yield Data(number, 4 * BLOCK_BYTES + 4 * KIB, memoryview(page)[: 4 * KIB])
        yield FileClosed(number, len(BIG))

    final = changed(changed(BIG, BLOCK_BYTES, page), 4 * BLOCK_BYTES + 4 * KIB, page[: 4 * KIB])
    chain.add(records_of({"a.ibd": BIG}))
    chain.add(clone())
    assert chain.restored("one") == {"a.ibd": final}
    # The base of the next link is what its base was in the end.
    chain.add(records_of({"a.ibd": final}))
    assert chain.restored("two") == {"a.ibd": final}
    assert chain.stored_bytes() < 2 * BLOCK_BYTES + 10 * KIB
    chain.add(clone(5))
    assert chain.restored("three") == {"a.ibd": final}


def test_a_full_with_later_phases_is_a_base_too(chain: Chain) -> None:
    """Of a page that came twice the table has the last; the first passes through a restore."""
    page = os.urandom(BLOCK_BYTES)
    final = changed(BIG, BLOCK_BYTES, page)
    chain.add(
        [
            FileOpened(1, "a.ibd"),
            Data(1, 0, memoryview(BIG)),
            PhaseStarted(),
            Data(1, BLOCK_BYTES, memoryview(page)),
            FileClosed(1, len(BIG)),
        ]
    )
    chain.add(records_of({"a.ibd": final}))
    assert chain.stored_bytes() < 10 * KIB
    assert chain.restored() == {"a.ibd": final}


def test_the_links_of_another_chain_are_refused(tmp_path: Path) -> None:
    one, two = Chain(tmp_path / "1"), Chain(tmp_path / "2")
    for chain in (one, two):
        chain.add(records_of({"a": BIG}))
        chain.add(records_of({"a": changed(BIG, 0, b"new")}))
    foreign = open_backup(two.store, two.links[0])
    last = open_backup(one.store, one.links[1])
    with pytest.raises(ArchiveError, match="needs orders-1@"):
        Assembly([foreign, last], last.manifest.contents.files)


def test_a_base_whose_manifest_was_exchanged_is_refused(chain: Chain) -> None:
    chain.add(records_of({"a": BIG}))
    full = chain.links[0]
    chain.add(records_of({"a": changed(BIG, 0, b"new")}))
    link = chain.links[1]
    chain.store.remove_tree(full)
    chain.links, chain._written = [], 0
    assert chain.add(records_of({"a": BIG})) == full
    chain.links = [full, link]
    with pytest.raises(ArchiveError, match="their manifests have changed"):
        chain.restored()


# --- properties -----------------------------------------------------------------------------

State = dict[str, bytes]
NAMES = ("s/a.ibd", "s/b.ibd", "c.MYD", "d")


@st.composite
def states(draw: st.DrawFn) -> list[State]:
    """What a server's files are at each backup: written, grown, cut, zeroed, renamed, made anew."""
    state: State = {}
    found = []
    for _ in range(draw(st.integers(2, 4))):
        for _ in range(draw(st.integers(0, 4))):
            name = draw(st.sampled_from(NAMES))
            content = state.get(name, b"")
            match draw(st.sampled_from(["new", "write", "zero", "cut", "grow", "drop", "swap"])):
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
        found.append(dict(state))
    return found


def sent(state: State, draw: st.DataObject) -> Iterator[Record]:
    """The stream of a copy: pieces of odd sizes, later phases, renames, files that go."""
    piece = draw.draw(st.sampled_from([1000, 4 * KIB, BLOCK_BYTES, 40_000, MIB]))
    order = draw.draw(st.permutations(sorted(state)))
    numbers = {path: number for number, path in enumerate(order, start=1)}
    late: list[tuple[int, int, bytes]] = []
    if draw.draw(st.booleans()):
        yield FileOpened(99, "gone")
        yield Data(99, 0, memoryview(b"gone" * 9000))
        yield FileClosed(99, 36_000)
    for path, number in numbers.items():
        content = state[path]
        yield FileOpened(number, f"{path}.tmp")
        for at in range(0, len(content), piece):
            part = content[at : at + piece]
            if draw.draw(st.integers(0, 9)) == 0:
                # Torn: a later phase brings the right bytes.
                late.append((number, at, part))
                part = os.urandom(len(part))
            yield Data(number, at, memoryview(part))
    if late:
        yield PhaseStarted()
        for number, at, part in late:
            yield Data(number, at, memoryview(part))
    for path, number in numbers.items():
        yield FileRenamed(number, path)
        yield FileClosed(number, len(state[path]))
    if 99 not in numbers.values() and draw.draw(st.booleans()):
        yield FileOpened(100, "short")
        yield FileRemoved(100)


@given(states(), st.data())
@settings(max_examples=120, deadline=None)
def test_any_link_restores_what_was_sent(history: Sequence[State], draw: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        chain = Chain(Path(folder))
        for number, state in enumerate(history):
            records = list(sent(state, draw))
            base = draw.draw(st.integers(0, len(chain.links) - 1)) if chain.links else None
            chain.add(records, base=base)
            alone = Chain(Path(folder) / f"alone{number}")
            alone.add(records)
            assert chain.restored(f"chain{number}") == alone.restored()
