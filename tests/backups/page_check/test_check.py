"""Is damage found in the final content of a backup, and in nothing else?"""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.archive.meter import Meter
from backups.archive.records import Data, FileClosed, FileOpened, Record
from backups.archive.verify import verify
from backups.exceptions import CancelRequested
from backups.page_check import DamagedPage, PageCheck
from tests.backups.archive.stores import (
    make_store,
    never_stop,
    open_backup,
    records_of,
    write_backup,
)
from tests.backups.innodb.made_pages import compressed, first_page, flipped, full_crc32, plain
from tests.backups.page_check.checking import (
    MARIADB,
    MYSQL,
    check_pages,
    damaged,
    file_records,
    form_of,
    page_again,
    tablespace,
)

SIZES = {3: 4096, 4: 8192, 5: 16384, 6: 32768, 7: 65536}
FLAGS = [
    *((shift if shift != 5 else 0) << 6 | 0x4021 for shift in SIZES),
    *(shift | 0x10 for shift in SIZES),
]
BIT = 8 * 1000


@pytest.mark.parametrize("piece", [1 << 20, 10_000, 777])
@pytest.mark.parametrize("flags", FLAGS)
def test_one_flipped_bit(tmp_path: Path, flags: int, piece: int) -> None:
    pages = tablespace(flags, 12)
    pages[5] = flipped(pages[5], BIT)
    pages[8] = bytes(len(pages[8]))
    report = check_pages(
        tmp_path, records_of({"ibdata1": b"", "shop/orders.ibd": b"".join(pages)}, piece)
    )
    assert report.named == [DamagedPage("shop/orders.ibd", 5, 77, "its checksum does not match")]
    assert (report.whole, report.empty, report.damaged) == (10, 1, 1)
    assert report.unknown == {}


def test_row_format_compressed(tmp_path: Path) -> None:
    form = form_of(0x25)
    pages = [first_page(form, 0x25), *(compressed(2048, number) for number in range(1, 50))]
    pages[49] = flipped(pages[49], BIT)
    report = check_pages(tmp_path, records_of({"shop/small.ibd": b"".join(pages)}))
    assert damaged(report) == [("shop/small.ibd", 49)]
    assert report.whole == 49


@pytest.mark.parametrize("position", [0, 1, 255, 256, 399])
@pytest.mark.parametrize("piece", [1 << 20, 100_000])
def test_a_torn_page_that_was_sent_again(tmp_path: Path, position: int, piece: int) -> None:
    pages = tablespace(MYSQL, 400)
    good, pages[position] = pages[position], pages[position][:8000] + bytes(8384)
    records = file_records(
        1, "shop/t.ibd", b"".join(pages), piece=piece, later=[page_again(1, position, good)]
    )
    report = check_pages(tmp_path, records)
    assert (damaged(report), report.whole) == ([], 400)


@pytest.mark.parametrize("position", [0, 1, 255, 256, 399])
def test_a_good_page_that_was_sent_again_damaged(tmp_path: Path, position: int) -> None:
    pages = tablespace(MYSQL, 400)
    again = page_again(1, position, flipped(pages[position], BIT))
    report = check_pages(tmp_path, file_records(1, "shop/t.ibd", b"".join(pages), later=[again]))
    assert damaged(report) == [("shop/t.ibd", position)]
    assert report.whole == 399


def test_pages_sent_again_in_frames_that_cut_them(tmp_path: Path) -> None:
    """4 MiB are no multiple of what comes: the later phase is cut in other places."""
    pages = tablespace(MYSQL, 600)
    stale = [flipped(page, BIT) if number else page for number, page in enumerate(pages)]
    filler = file_records(1, "ib_buffer_pool", bytes(5000))
    again: list[Record] = [Data(3, 0, memoryview(b"x" * 5000))]
    again += [page_again(2, number, page) for number, page in enumerate(pages)]
    records: list[Record] = [
        *filler,
        FileOpened(3, "#ib_redo0"),
        *file_records(2, "shop/t.ibd", b"".join(stale), later=again),
        FileClosed(3, 5000),
    ]
    report = check_pages(tmp_path, records)
    assert (damaged(report), report.whole) == ([], 600)


@pytest.mark.parametrize("flags", FLAGS)
def test_a_damaged_first_page_does_not_condemn_the_others(tmp_path: Path, flags: int) -> None:
    pages = tablespace(flags, 9)
    pages[0] = flipped(pages[0], 57 * 8 + 4)
    report = check_pages(tmp_path, records_of({"shop/t.ibd": b"".join(pages)}))
    assert damaged(report) == [("shop/t.ibd", 0)]
    assert report.whole == 8


def test_without_any_whole_page_the_system_tablespace_tells_the_size(tmp_path: Path) -> None:
    pages = [flipped(page, BIT) for page in tablespace(MARIADB, 7)]
    pages[0] = flipped(pages[0], 57 * 8)
    system = tablespace(MARIADB, 3, space=0)
    files = {"shop/t.ibd": b"".join(pages), "ibdata1": b"".join(system)}
    assert check_pages(tmp_path, records_of(files)).damaged == 7


def test_nothing_tells_the_size(tmp_path: Path) -> None:
    report = check_pages(tmp_path, records_of({"shop/t.ibd": b"\x55" * 200_000}))
    assert report.damaged == 0
    assert report.unknown["its page size is unknown"].files == {"shop/t.ibd"}


def test_the_system_tablespace_continues_from_file_to_file(tmp_path: Path) -> None:
    pages = tablespace(MYSQL, 10, space=0)
    pages[7] = flipped(pages[7], BIT)
    files = {"ibdata2": b"".join(pages[4:]), "ibdata1": b"".join(pages[:4]), "ib_logfile0": b"x"}
    report = check_pages(tmp_path, records_of(files))
    assert report.named == [DamagedPage("ibdata2", 7, 0, "its checksum does not match")]
    assert (report.files, report.whole) == (2, 9)


@pytest.mark.parametrize("in_use", [True, False])
def test_the_doublewrite_buffer_is_no_content(tmp_path: Path, in_use: bool) -> None:
    pages = tablespace(MARIADB, 200, space=0)
    where = (536853855, 64, 128) if in_use else (0, 0, 0)
    content = bytes(16384 - 200 - 38 + 10) + b"".join(each.to_bytes(4, "big") for each in where)
    pages[5] = full_crc32(16384, 5, space=0, content=content)
    pages[64] = full_crc32(16384, 9, space=3)
    pages[191] = flipped(pages[191], BIT)
    pages[192] = flipped(pages[192], BIT)
    report = check_pages(tmp_path, records_of({"ibdata1": b"".join(pages)}))
    pages_named = [page for _, page in damaged(report)]
    assert pages_named == ([192] if in_use else [64, 191, 192])
    assert report.doublewrite == (2 if in_use else 0)


def test_a_page_with_a_hole_in_it(tmp_path: Path) -> None:
    """As mariadb-backup sends compressed pages: what is saved is not sent."""
    pages = [full_crc32(16384, 1, content=b"short"), full_crc32(16384, 2)]
    content = first_page(form_of(MARIADB), MARIADB) + b"".join(pages)
    records: list[Record] = [
        FileOpened(1, "shop/t.ibd"),
        Data(1, 0, memoryview(content[: 16384 + 4096])),
        Data(1, 2 * 16384 - 4096, memoryview(content[2 * 16384 - 4096 :])),
        FileClosed(1, len(content)),
    ]
    report = check_pages(tmp_path, records)
    assert (report.whole, report.damaged) == (3, 0)


def test_an_increment_is_not_called_good(tmp_path: Path) -> None:
    report = check_pages(tmp_path, records_of({"shop/t.ibd.delta": b"xtra" * 5000}))
    assert list(report.unknown) == ["an increment: only a prepare can place its pages"]


def test_many_damages_are_counted_and_the_first_named(tmp_path: Path) -> None:
    pages = tablespace(MYSQL, 300)
    pages[100:] = [flipped(page, BIT) for page in pages[100:]]
    report = check_pages(tmp_path, records_of({"shop/t.ibd": b"".join(pages)}), threads=1)
    assert (report.damaged, len(report.named)) == (200, 100)
    assert report.damaged_files == {"shop/t.ibd": 200}
    assert report.named[0].page == 100


def test_progress_and_an_end_on_request(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store")
    content = b"".join(tablespace(MYSQL, 9))
    reader = open_backup(store, write_backup(store, records_of({"shop/t.ibd": content})))
    meter = Meter()
    pages = PageCheck(reader, check=never_stop, meter=meter)
    verify(reader, threads=1, check=never_stop, meter=meter, inspect=pages.inspect)
    assert (meter.current_file, meter.raw_bytes) == ("shop/t.ibd", len(content))

    def cancelled() -> None:
        raise CancelRequested

    with pytest.raises(CancelRequested):
        PageCheck(reader, check=cancelled, meter=meter)


def test_what_is_no_tablespace_is_left_alone(tmp_path: Path) -> None:
    files = {
        "shop/t.MYD": b"x" * 70_000,
        "ib_logfile0": b"y" * 70_000,
        "undo_log.txt": b"z",
        "ibdata1": b"",
    }
    report = check_pages(tmp_path, records_of(files))
    assert (report.files, report.whole, report.damaged, report.unknown) == (1, 0, 0, {})


def test_a_page_of_another_table(tmp_path: Path) -> None:
    pages = tablespace(MYSQL, 6)
    pages[3] = plain(16384, 3, space=78)
    report = check_pages(tmp_path, records_of({"shop/t.ibd": b"".join(pages)}))
    assert report.named[0].problem == "page 3 of space 78 is in its place"
