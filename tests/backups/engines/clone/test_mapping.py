"""How do a clone's records appear in the archive: names, sizes, phases, what DDL does."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from backups.archive.records import (
    Data,
    Dropped,
    FileClosed,
    FileOpened,
    FileRemoved,
    FileRenamed,
    PhaseStarted,
    Record,
)
from backups.clone_protocol import (
    Block,
    CloneRecord,
    FileAnnounced,
    FileChanged,
    FileFlag,
    State,
    StateEnded,
    StateStarted,
)
from backups.engines.clone.chosen_files import ChosenFiles
from backups.engines.clone.mapping import ArchiveMapping
from backups.innodb.pages import SHARED, is_whole
from backups.programs.compatibility import Version

PAGE = 16384
MIB = 1 << 20
FLAGS = 0x4021
NONE = FileFlag(0)
NEW = Version(9, 7, 4)


def file(
    index: int,
    path: str,
    size: int = PAGE,
    *,
    state: State = State.FILE_COPY,
    flags: FileFlag = NONE,
    fsp_flags: int = FLAGS,
    space_id: int = 7,
    created_by_ddl: bool = False,
) -> FileAnnounced:
    return FileAnnounced(
        *(state, index, space_id, path, size, size, fsp_flags, 4096, flags, created_by_ddl)
    )


def change(index: int, renamed_to: str = "", *, deleted: bool = False) -> FileChanged:
    return FileChanged(State.PAGE_COPY, index, deleted, renamed_to, PAGE, FLAGS, NONE)


def block(
    index: int, offset: int, payload: bytes, *, state: State = State.FILE_COPY, size: int = 0
) -> Block:
    return Block(state, index, offset, memoryview(payload), size)


def started(state: State) -> StateStarted:
    return StateStarted(state, 0, 0)


DONE = started(State.DONE)


def mapped(
    records: Iterable[CloneRecord], *, version: Version = NEW, chosen: ChosenFiles | None = None
) -> tuple[list[Record], ArchiveMapping]:
    mapping = ArchiveMapping(version, sealed=True, chosen=chosen)
    return [made for record in records for made in mapping.take(record)], mapping


def closed(records: Iterable[Record]) -> dict[int, int]:
    return {record.file: record.size for record in records if isinstance(record, FileClosed)}


def test_files_stay_open_until_the_end_and_phases_follow_the_states() -> None:
    made, mapping = mapped(
        [
            started(State.FILE_COPY),
            file(0, "ibdata1"),
            file(1, "shop/orders.ibd"),
            block(1, 0, b"old"),
            StateEnded(State.FILE_COPY),
            started(State.PAGE_COPY),
            block(1, 0, b"new", state=State.PAGE_COPY),
            StateEnded(State.PAGE_COPY),
            started(State.REDO_COPY),
            file(0, "#innodb_redo/#ib_redo0", 4096, state=State.REDO_COPY),
            block(0, 2048, b"redo", state=State.REDO_COPY),
            StateEnded(State.REDO_COPY),
            DONE,
        ]
    )
    assert made == [
        FileOpened(1, "ibdata1"),
        FileOpened(2, "shop/orders.ibd"),
        Data(2, 0, memoryview(b"old")),
        PhaseStarted(),
        Data(2, 0, memoryview(b"new")),
        PhaseStarted(),
        # Redo files have numbers of their own in a clone, and not in the archive.
        FileOpened(3, "#innodb_redo/#ib_redo0"),
        Data(3, 2048, memoryview(b"redo")),
        FileClosed(1, PAGE),
        FileClosed(2, PAGE),
        FileClosed(3, 4096),
    ]
    figures = mapping.figures
    assert (figures.data_files, figures.redo_files, figures.pages_sent_again) == (2, 1, 1)
    assert (figures.file_bytes, figures.page_bytes, figures.redo_bytes) == (3, 3, 4)


@pytest.mark.parametrize(
    ("announced", "sent", "size"),
    [
        # As long as announced, as it grew, or as its bytes reach; then whole extents.
        (PAGE, block(0, 0, b"x"), PAGE),
        (PAGE, block(0, 0, b"x", size=5 * PAGE), 5 * PAGE),
        (PAGE, block(0, 6 * PAGE, bytes(PAGE)), 7 * PAGE),
        (MIB, block(0, 0, b"x"), MIB),
        (MIB + 1, block(0, 0, b"x"), 2 * MIB),
        (PAGE, block(0, 0, b"x", size=2 * MIB + PAGE), 3 * MIB),
    ],
)
def test_the_length_of_a_file(announced: int, sent: Block, size: int) -> None:
    made, _ = mapped([file(0, "a.ibd", announced), sent, DONE])
    assert closed(made) == {1: size}


def test_of_several_system_files_only_the_last_one_grows() -> None:
    whole = 20 * MIB
    made, _ = mapped(
        [
            file(1, "ibdata1", 12 * MIB + PAGE, space_id=0),
            file(2, "ibdata2", 4 * MIB, space_id=0),
            block(1, 0, b"page 0", state=State.PAGE_COPY, size=whole),
            DONE,
        ]
    )
    # The first keeps even a length that is no whole number of extents; the last is rounded up.
    assert closed(made) == {1: 12 * MIB + PAGE, 2: 8 * MIB}


def test_what_is_no_tablespace_keeps_its_length() -> None:
    made, _ = mapped([file(0, "ib_buffer_pool", MIB + 5, space_id=0xFFFFFFFF), DONE])
    assert closed(made) == {1: MIB + 5}


def test_a_file_made_by_ddl_begins_with_an_empty_page_of_its_own() -> None:
    created = file(4, "shop/new.ibd", 0, state=State.PAGE_COPY, created_by_ddl=True)
    made, _ = mapped([created, started(State.PAGE_COPY), DONE])
    opened, page, phase, end = made
    assert opened == FileOpened(1, "shop/new.ibd")
    assert isinstance(page, Data)
    assert (page.offset, len(page.payload)) == (0, PAGE)
    assert is_whole(bytes(page.payload), compressed=False)
    assert phase == PhaseStarted()
    assert end == FileClosed(1, 7 * PAGE)


def test_a_compressed_table_made_by_ddl_has_small_pages() -> None:
    created = file(
        4, "a.ibd", 0, state=State.PAGE_COPY, created_by_ddl=True, fsp_flags=FLAGS | 4 << 1
    )
    made, _ = mapped([created, DONE])
    assert isinstance(made[1], Data)
    assert len(made[1].payload) == 8192
    assert closed(made) == {1: 7 * 8192}


@pytest.mark.parametrize("space_id", [0xFFFFFFF0 - 127 * 400_000, 0xFFFFFFEF])
def test_an_undo_tablespace_made_on_the_way_is_as_long_as_the_server_makes_it(
    space_id: int,
) -> None:
    made, _ = mapped(
        [
            file(4, "undo_001", state=State.PAGE_COPY, created_by_ddl=True, space_id=space_id),
            DONE,
        ]
    )
    assert closed(made) == {1: 16 * MIB}


def test_renamed_and_deleted_files() -> None:
    made, mapping = mapped(
        [
            file(0, "shop/a.ibd"),
            file(1, "shop/b.ibd"),
            change(1, deleted=True),
            change(0, "shop/b.ibd"),
            DONE,
        ]
    )
    assert made[2:] == [FileRemoved(2), FileRenamed(1, "shop/b.ibd"), FileClosed(1, PAGE)]
    assert mapping.figures.data_files == 1


def test_what_lies_elsewhere_is_put_below_the_data_directory() -> None:
    made, mapping = mapped(
        [
            file(0, "/fast/shop/a.ibd"),
            file(1, "/fast/b.ibd", fsp_flags=FLAGS | SHARED),
            change(0, "/fast/shop/c.ibd"),
        ]
    )
    assert made == [
        FileOpened(1, "mooring-external/fast/shop/a.ibd"),
        FileOpened(2, "mooring-external-2-b.ibd"),
        FileRenamed(1, "mooring-external/fast/shop/c.ibd"),
    ]
    assert mapping.figures.external_files == {
        "mooring-external-2-b.ibd": "/fast/b.ibd",
        "mooring-external/fast/shop/c.ibd": "/fast/shop/c.ibd",
    }


def test_an_old_server_needs_a_second_log_file() -> None:
    redo = file(0, "ib_logfile0", 4096, state=State.REDO_COPY)
    made, _ = mapped([redo, DONE], version=Version(8, 0, 29))
    assert made[1:] == [FileClosed(1, 4096), FileOpened(2, "ib_logfile1"), FileClosed(2, 4096)]
    made, _ = mapped([redo, DONE], version=Version(8, 0, 30))
    assert made[1:] == [FileClosed(1, 4096)]


ORDERS = ChosenFiles(("shop/orders",))


def test_what_was_not_chosen_is_counted_and_nothing_of_it_is_passed_on() -> None:
    made, mapping = mapped(
        [
            started(State.FILE_COPY),
            file(0, "shop/orders.ibd"),
            # Encrypted: no key of it is looked for.
            file(1, "shop/log.ibd", flags=FileFlag.AES),
            block(1, 0, b"12345"),
            block(0, 0, b"in"),
            started(State.PAGE_COPY),
            block(1, 0, b"678", state=State.PAGE_COPY),
            file(2, "shop/new.ibd", state=State.PAGE_COPY, created_by_ddl=True),
            change(1, deleted=True),
            DONE,
        ],
        chosen=ORDERS,
    )
    assert made == [
        FileOpened(1, "shop/orders.ibd"),
        Dropped(5),
        Data(1, 0, memoryview(b"in")),
        PhaseStarted(),
        Dropped(3),
        FileClosed(1, PAGE),
    ]
    figures = mapping.figures
    assert (figures.dropped_files, figures.dropped_bytes) == (2, 8)
    assert (figures.data_files, figures.file_bytes) == (1, 2)


def test_a_swap_leaves_neither_table_in_the_copy() -> None:
    made, mapping = mapped(
        [
            file(0, "shop/orders.ibd"),
            file(1, "shop/orders_new.ibd"),
            change(0, "shop/orders_old.ibd"),
            change(1, "shop/orders.ibd"),
            DONE,
        ],
        chosen=ORDERS,
    )
    assert made[-1] == FileRemoved(1)
    assert not closed(made)
    assert mapping.figures.data_files == 0


def test_a_rebuilt_table_is_kept_under_each_of_its_names() -> None:
    made, _ = mapped(
        [
            file(0, "shop/#sql-ib12-7.ibd"),
            block(0, 0, b"rebuilt"),
            change(0, "shop/orders.ibd"),
            DONE,
        ],
        chosen=ORDERS,
    )
    assert made[-2:] == [FileRenamed(1, "shop/orders.ibd"), FileClosed(1, PAGE)]
