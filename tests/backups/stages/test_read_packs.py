"""read_packs: what a verify finds becomes evidence, what stops it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from backups.jobs.cancel import request_cancel
from backups.jobs.request import create_copy_job
from backups.models import BackupCopy, Evidence, Instance, Job, Repository
from backups.parameters import VerifyParameters
from backups.states import CopyStatus, JobStatus, Operation
from tests.backups.fake_engine import FakeEngine
from tests.backups.innodb.made_pages import flipped, unsummed
from tests.backups.page_check.checking import MARIADB, MYSQL, tablespace
from tests.backups.taking import run_here, take_backup

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def copy(orders: Instance, main: Repository, engine: FakeEngine) -> BackupCopy:
    return take_backup(orders).copies.get()


def verify(copy: BackupCopy, *, pages: bool = False) -> Job:
    asked = VerifyParameters(pages=pages)
    return run_here(create_copy_job(Operation.VERIFY, copy, parameters=asked, wake=False))


def with_tablespace(pages: list[bytes]) -> dict[str, bytes]:
    tables = {"shop@002dnew/orders#p#p1.ibd": b"".join(pages), "shop/visits.MYD": bytes(70_000)}
    return {"ibdata1": b"", **tables}


def test_a_whole_copy(copy: BackupCopy) -> None:
    job = verify(copy)
    assert job.stages.get().detail == "1 pack, 2 frames, 5 files match"
    evidence = Evidence.objects.get()
    assert (evidence.passed, evidence.job) == (True, job)
    assert evidence.report == {"packs": 1, "frames": 2, "files": 5, "damages": []}


def test_every_fault_is_in_the_log(copy: BackupCopy) -> None:
    (pack,) = Path(copy.repository.path).rglob("*.pack")
    pack.write_bytes(pack.read_bytes()[:-7])
    job = verify(copy)
    assert job.status == JobStatus.FAILED
    damages = Evidence.objects.get().report["damages"]
    assert damages
    said = [line.text for line in job.log_lines.filter(source="read packs")]
    assert said == damages


def test_whole_pages(engine: FakeEngine, orders: Instance, main: Repository) -> None:
    engine.files = with_tablespace(tablespace(MARIADB, 5))
    job = verify(take_backup(orders).copies.get(), pages=True)
    assert job.status == JobStatus.SUCCEEDED
    assert job.stages.get().detail == "1 pack, 2 frames, 3 files match; 5 pages whole"
    assert Evidence.objects.get().report["pages"]["whole"] == 5


def test_a_damaged_page_is_named_and_distinct_from_a_damaged_repository(
    engine: FakeEngine, orders: Instance, main: Repository
) -> None:
    pages = tablespace(MARIADB, 5)
    pages[3] = flipped(pages[3], 9000)
    engine.files = with_tablespace(pages)
    copy = take_backup(orders).copies.get()
    assert verify(copy).status == JobStatus.SUCCEEDED
    job = verify(copy, pages=True)
    named = (
        "shop-new.orders: page 3 of space 77 in shop@002dnew/orders#p#p1.ibd: "
        "its checksum does not match"
    )
    assert job.status == JobStatus.FAILED
    assert job.error == (
        "read packs failed: the stored bytes match, but 1 page came from the server damaged, "
        f"the first: {named}"
    )
    assert [line.text for line in job.log_lines.filter(source="pages", level="error")] == [named]
    evidence = Evidence.objects.get(job=job)
    assert not evidence.passed
    assert evidence.report["damages"] == []
    assert evidence.report["pages"]["damaged_tables"] == {"shop-new.orders": 1}
    # A pass that does not look at pages must not cover them up.
    again = verify(copy)
    assert again.status == JobStatus.FAILED
    assert "checking pages as well" in again.log_lines.earliest("id").text


def test_unknown_pages_are_no_fault(engine: FakeEngine, orders: Instance, main: Repository) -> None:
    pages = tablespace(MYSQL, 3)
    pages[2] = unsummed(16384)
    engine.files = with_tablespace(pages)
    job = verify(take_backup(orders).copies.get(), pages=True)
    assert job.status == JobStatus.SUCCEEDED
    assert "2 pages whole, 1 unknown" in job.stages.get().detail
    (line,) = job.log_lines.filter(source="pages", level="warning")
    assert line.text == (
        "1 page not checked: written without a checksum, in shop@002dnew/orders#p#p1.ibd"
    )


def test_a_system_tablespace_nobody_looked_at_is_unknown(
    engine: FakeEngine, orders: Instance, main: Repository
) -> None:
    pages = b"".join(tablespace(MARIADB, 5))
    engine.files = {"shop/orders.ibd": pages, "system": pages}
    job = verify(take_backup(orders).copies.get(), pages=True)
    assert job.status == JobStatus.SUCCEEDED
    assert "5 pages whole, some unknown" in job.stages.get().detail
    (line,) = job.log_lines.filter(source="pages", level="warning")
    assert line.text == (
        "pages not checked: no file has the name of a system tablespace, in ibdataN"
    )


def test_a_damaged_index_says_nothing_of_pages(
    engine: FakeEngine, orders: Instance, main: Repository
) -> None:
    engine.files = with_tablespace(tablespace(MARIADB, 5))
    copy = take_backup(orders).copies.get()
    (pack,) = Path(copy.repository.path).rglob("*.pack")
    content = bytearray(pack.read_bytes())
    content[-30] ^= 1
    pack.write_bytes(content)
    job = verify(copy, pages=True)
    assert job.status == JobStatus.FAILED
    assert "the repository is whole" not in job.error
    pages = Evidence.objects.get().report["pages"]
    assert (pages["whole"], pages["damaged"]) == (0, 0)
    assert "a part of the backup is unreadable" in pages["not_checked"][0]


def test_a_missing_key_is_no_evidence(copy: BackupCopy, settings: Settings) -> None:
    settings.BACKUP_KEY_FILE = Path("/nowhere")
    assert verify(copy).status == JobStatus.FAILED
    assert not Evidence.objects.exists()


def test_a_copy_that_expired_in_the_meantime_is_refused(copy: BackupCopy) -> None:
    job = create_copy_job(Operation.VERIFY, copy, wake=False)
    BackupCopy.objects.update(status=CopyStatus.EXPIRED)
    job = run_here(job)
    assert job.status == JobStatus.REFUSED
    assert "is expired: nothing to read" in job.error
    assert not Evidence.objects.exists()


def test_one_that_was_cancelled_is_not_begun(copy: BackupCopy) -> None:
    job = create_copy_job(Operation.VERIFY, copy, wake=False)
    request_cancel(job, actor="anna")
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED
    assert not Evidence.objects.exists()
