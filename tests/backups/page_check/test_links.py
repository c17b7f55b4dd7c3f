"""Which pages of a backup that needs others are checked, and what of those stored in part?"""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.archive.blocks.hashing import BLOCK_BYTES
from backups.archive.blocks.verify import verify_chain
from backups.archive.meter import Meter
from backups.page_check import PageCheck, PageReport
from backups.page_check.check import PART_ONLY
from tests.backups.archive.blocks.chains import Chain
from tests.backups.archive.stores import never_stop, open_backup, records_of
from tests.backups.innodb.made_pages import flipped
from tests.backups.page_check.checking import damaged, form_of, tablespace

# Pages of 4, 16 and 64 KiB, before MariaDB's full_crc32 and with it.
FLAGS = [0x40E1, 0x4021, 0x41E1, 0x13, 0x15, 0x17]


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path)


def check_last(chain: Chain) -> PageReport:
    readers = [open_backup(chain.store, link) for link in chain.links]
    pages = PageCheck(readers[-1], check=never_stop, meter=Meter(), needed=readers[:-1])
    report = verify_chain(
        readers, threads=2, check=never_stop, meter=Meter(), inspect=pages.inspect
    )
    assert report.damages == []
    return pages.finish()


def files_of(pages: list[bytes]) -> dict[str, bytes]:
    return {"s/a.ibd": b"".join(pages)}


def other(page: bytes) -> bytes:
    """Another content in each block of a page."""
    return bytes(byte ^ 1 for byte in page)


@pytest.mark.parametrize("flags", FLAGS)
def test_pages_that_changed_in_one_block(chain: Chain, flags: int) -> None:
    """In the middle of two pages something else was before: only that is stored now."""
    size = form_of(flags).bytes
    after = tablespace(flags, 24)
    before = [other(after[0]), *(flipped(page, 4 * size) for page in after[1:3]), *after[3:]]
    chain.add(records_of(files_of(before)))
    chain.add(records_of(files_of(after)))
    report = check_last(chain)
    assert damaged(report) == []
    in_parts = report.unknown[PART_ONLY].pages if PART_ONLY in report.unknown else 0
    assert in_parts == (2 if size > BLOCK_BYTES else 0)
    assert report.whole == max(BLOCK_BYTES // size, 3 - in_parts)


@pytest.mark.parametrize("flags", FLAGS)
def test_a_damaged_page_of_a_link(chain: Chain, flags: int) -> None:
    after = tablespace(flags, 24)
    chain.add(records_of(files_of([other(page) for page in after])))
    chain.add(records_of(files_of([*after[:2], flipped(after[2], 8 * 300), *after[3:]])))
    report = check_last(chain)
    assert damaged(report) == [("s/a.ibd", 2)]
    assert report.whole == len(after) - 1


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("apart", [False, True], ids=["base", "link between"])
def test_the_page_size_is_that_of_another_backup(chain: Chain, flags: int, apart: bool) -> None:
    """Of the one that has page 0: the full backup had another table of that name before."""
    pages = tablespace(flags, 24)
    if apart:
        old = tablespace(FLAGS[0] if flags != FLAGS[0] else FLAGS[-1], 24, space=78)
        chain.add(records_of(files_of(old)))
    chain.add(records_of(files_of([*pages[:20], other(pages[20]), *pages[21:]])))
    chain.add(records_of(files_of([*pages[:20], flipped(pages[20], 8 * 300), *pages[21:]])))
    report = check_last(chain)
    assert damaged(report) == [("s/a.ibd", 20)]
    assert "its page size is unknown" not in report.unknown


def test_a_file_that_is_read_from_a_damaged_backup_stays_unknown(chain: Chain) -> None:
    pages = tablespace(FLAGS[1], 24)
    chain.add(records_of(files_of(pages)))
    changed = [*pages[:20], other(pages[20]), *pages[21:]]
    chain.add(records_of(files_of(changed)), differences=False)
    readers = [open_backup(chain.store, link) for link in chain.links]
    pack = chain.folder / "repository" / readers[0].pack_object(1)
    content = bytearray(pack.read_bytes())
    content[100] ^= 1
    pack.write_bytes(content)
    checked = PageCheck(readers[-1], check=never_stop, meter=Meter(), needed=readers[:-1])
    report = verify_chain(
        readers, threads=2, check=never_stop, meter=Meter(), inspect=checked.inspect
    )
    assert not report.passed
    assert "its page size is unknown" in checked.finish().unknown
