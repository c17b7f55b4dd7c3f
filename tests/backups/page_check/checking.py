"""Tablespaces in an archive, checked as a verify does it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from backups.archive.meter import Meter
from backups.archive.records import Data, FileClosed, FileOpened, PhaseStarted, Record
from backups.archive.verify import verify
from backups.innodb.formats import PageFormat, format_of
from backups.page_check import PageCheck, PageReport
from tests.backups.archive.stores import make_store, never_stop, open_backup, write_backup
from tests.backups.innodb.made_pages import first_page, full_crc32, plain

# ROW_FORMAT=DYNAMIC in pages of 16 KiB: MySQL, and MariaDB's present format.
MYSQL, MARIADB = 0x4021, 0x15


def form_of(flags: int) -> PageFormat:
    form = format_of(flags)
    assert form is not None
    return form


def tablespace(flags: int, pages: int, *, space: int = 77) -> list[bytes]:
    """Whole pages, the first with its flags."""
    form = form_of(flags)
    make = full_crc32 if form.full_crc32 else plain
    rest = [make(form.bytes, number, space=space) for number in range(1, pages)]
    return [first_page(form, flags, space=space), *rest]


def file_records(
    number: int, path: str, content: bytes, *, piece: int = 1 << 20, later: Iterable[Record] = ()
) -> Iterable[Record]:
    """A file in pieces, and what a later phase sends of it."""
    yield FileOpened(number, path)
    for offset in range(0, len(content), piece):
        yield Data(number, offset, memoryview(content[offset : offset + piece]))
    later = list(later)
    if later:
        yield PhaseStarted()
        yield from later
    yield FileClosed(number, len(content))


def page_again(file: int, position: int, page: bytes) -> Data:
    return Data(file, position * len(page), memoryview(page))


def check_pages(folder: Path, records: Iterable[Record], *, threads: int = 2) -> PageReport:
    store = make_store(folder / "store")
    reader = open_backup(store, write_backup(store, records))
    meter = Meter()
    check = PageCheck(reader, check=never_stop, meter=meter)
    report = verify(reader, threads=threads, check=never_stop, meter=meter, inspect=check.inspect)
    assert report.damages == []
    return check.finish()


def damaged(report: PageReport) -> Sequence[tuple[str, int]]:
    return [(page.file, page.page) for page in report.named]
