"""Is what a chain restores, byte for byte, the copy that the engine sent?"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.archive.blocks.assemble import Assembly
from backups.archive.blocks.hashing import BLOCK_BYTES, UNKNOWN
from backups.archive.blocks.reading import StoredTable
from backups.archive.blocks.table import MOST_SHARED
from backups.archive.blocks.verify import verify_chain
from backups.archive.frames import Frame
from backups.archive.keys import KeyEncryptionKey, Keyring
from backups.archive.manifest import manifest_digest, open_manifest, read_envelope, rewrap
from backups.archive.meter import Meter
from backups.archive.records import Data, FileClosed, FileOpened, PhaseStarted, Record
from backups.exceptions import ArchiveError, RepositoryError
from backups.repositories.layout import manifest_name
from tests.backups.archive.blocks.chains import (
    Chain,
    State,
    changed,
    everything_differs,
    ibd,
    sent,
    states,
)
from tests.backups.archive.stores import (
    KEYRING,
    KIB,
    MIB,
    never_stop,
    open_backup,
    records_of,
    verify_backup,
)

BIG = os.urandom(5 * MIB + 17)


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path)


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


def test_tables_whose_names_were_swapped_are_found_by_their_ids(chain: Chain) -> None:
    one, two = ibd(7, os.urandom(MIB)), ibd(8, os.urandom(MIB))
    chain.add(records_of({"s/a.ibd": one, "s/b.ibd": two}))
    chain.add(records_of({"s/b.ibd": one, "s/a.ibd": two}))
    assert chain.stored_bytes() < 10 * KIB
    assert chain.restored() == {"s/b.ibd": one, "s/a.ibd": two}


def test_a_table_made_again_under_an_old_name_beside_the_old_one(chain: Chain) -> None:
    old = ibd(7, os.urandom(MIB))
    new = ibd(9, os.urandom(MIB))
    chain.add(records_of({"s/a.ibd": old}))
    after = {"s/a.ibd": new, "s/old.ibd": old}
    chain.add(records_of(after))
    chain.add(records_of(after))
    assert chain.restored() == after


def test_many_tables_of_one_id_are_not_all_taken_from_one_file(chain: Chain) -> None:
    table = ibd(7, os.urandom(BLOCK_BYTES))
    chain.add(records_of({"s/a.ibd": table}))
    after = {f"s/{number}.ibd": table for number in range(MOST_SHARED + 3)}
    chain.add(records_of(after))
    # Three are stored as a whole.
    assert chain.stored_bytes() == 3 * len(table)
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


def test_a_block_that_was_torn_in_a_link_is_whole_in_the_next(chain: Chain) -> None:
    final = os.urandom(4 * BLOCK_BYTES)

    def clone() -> Iterator[Record]:
        yield FileOpened(1, "a.ibd")
        # Read while the server wrote it: the second phase brings what it is.
        yield Data(1, 0, memoryview(os.urandom(len(final))))
        yield PhaseStarted()
        yield Data(1, 0, memoryview(final))
        yield FileClosed(1, len(final))

    chain.add(records_of({"a.ibd": bytes(len(final))}))
    chain.add(clone())
    chain.add(records_of({"a.ibd": final}))
    assert chain.restored() == {"a.ibd": final}
    assert chain.stored_bytes() < 10 * KIB


def test_a_block_that_is_sent_again_as_a_whole_after_a_part_of_it(chain: Chain) -> None:
    final = os.urandom(2 * BLOCK_BYTES)

    def twice() -> Iterator[Record]:
        yield FileOpened(1, "a")
        yield Data(1, 0, memoryview(b"begun" * 100))
        yield Data(1, 0, memoryview(final))
        yield FileClosed(1, len(final))

    chain.add(records_of({"a": bytes(len(final))}))
    chain.add(twice())
    table = StoredTable(open_backup(chain.store, chain.links[-1]))
    assert table.find(1, 0)[0] in {UNKNOWN, table.hasher.hash(final[:BLOCK_BYTES])}


def test_rotated_keys_leave_a_link_a_link(chain: Chain) -> None:
    chain.add(records_of({"a": BIG}))
    chain.add(records_of({"a": changed(BIG, 0, b"new")}))
    newer = Keyring((KeyEncryptionKey(bytes(32)), *KEYRING.keys))
    before = chain.store.read(manifest_name(chain.links[-1]))
    blob = rewrap(before, newer)
    assert blob is not None
    assert read_envelope(blob).format == 2
    assert manifest_digest(blob) == manifest_digest(before)
    assert open_manifest(blob, newer)[0].contents.needs_others


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


@given(states(), st.data())
@settings(max_examples=120, deadline=None)
def test_any_link_restores_what_was_sent(history: Sequence[State], draw: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder, everything_differs():
        chain = Chain(Path(folder))
        for number, state in enumerate(history):
            records = list(sent(state, draw))
            base = draw.draw(st.integers(0, len(chain.links) - 1)) if chain.links else None
            chain.add(records, base=base)
            alone = Chain(Path(folder) / f"alone{number}")
            alone.add(records)
            assert chain.restored(f"chain{number}") == alone.restored()
            assert verify_chain(chain.opened(), threads=1, check=never_stop, meter=Meter()).passed


def test_a_table_is_read_from_another_repository_where_the_first_fails(chain: Chain) -> None:
    chain.add(records_of({"a.ibd": os.urandom(BLOCK_BYTES * 3)}))
    (gone,), (here,) = chain.opened(), chain.opened()
    expected = StoredTable(here).find_all(1, 0, 3)

    def fail(number: int) -> Frame:
        raise RepositoryError("no answer")

    gone.find_frame = fail  # type: ignore[method-assign]
    table = StoredTable(gone, [here])
    table.check_readable()
    assert table.find_all(1, 0, 3) == expected
    with pytest.raises(RepositoryError, match="no answer"):
        StoredTable(gone).check_readable()
