"""Is a copy that its store locks kept, renewed, and recovered after somebody deleted it?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
import time_machine
from django.utils.timezone import now
from pytest_django import Settings

from alerts.facts.load_site import load_site_facts
from alerts.facts.site import RepositoryFacts
from alerts.rules.base import Limits
from alerts.rules.locks import LOCKS_NOT_RENEWED
from backups import tasks
from backups.access import locks_of
from backups.catalog.condition import check_copies, check_repositories
from backups.catalog.locks import note_copy_lock
from backups.health import clock_jump
from backups.models import Backup, BackupCopy, Instance, Job, Repository
from backups.repositories.objects import connection
from backups.repositories.wrappers import retry
from backups.retention.expiry import expire_backups
from backups.retention.locked import lock_of
from backups.retention.renewal import renew_locks
from backups.retention.verdicts import judge_copies
from backups.states import CopyFault, CopyStatus, JobStatus
from tests.backups.fake_engine import FakeEngine
from tests.backups.planning import make_schedule
from tests.backups.repositories.bad_proxy import BadProxy, bad_proxy, refuse
from tests.backups.repositories.bucket_rows import make_bucket
from tests.backups.repositories.object_server import calls, moto_address
from tests.backups.taking import made_by_schedule, prove, purge, restore, take_backup
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[BadProxy]:
    monkeypatch.setattr(connection, "TRIES", 0)
    monkeypatch.setattr(retry, "DELAYS", ())
    with bad_proxy(moto_address()) as proxy:
        yield proxy


@pytest.fixture
def bucket(proxy: BadProxy, key_file: Path, settings: Settings) -> Repository:
    return make_bucket(proxy.url, settings, lock_days=20)


@pytest.fixture
def copy(orders: Instance, engine: FakeEngine, bucket: Repository) -> BackupCopy:
    return take_backup(orders, bucket).copies.get()


def key_of(copy: BackupCopy, name: str) -> dict[str, str]:
    bucket, _, prefix = copy.repository.path.removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": f"{prefix}/{name}"}


def pack_of(copy: BackupCopy) -> dict[str, str]:
    return key_of(copy, f"{copy.path}/packs/000001.pack")


def days_left(copy: BackupCopy) -> float:
    copy.refresh_from_db()
    assert copy.locked_until is not None
    return round((copy.locked_until - now()) / DAY, 1)


def until_in_store(where: dict[str, str]) -> datetime:
    found: datetime = calls().head_object(**where)["ObjectLockRetainUntilDate"]
    return found


@pytest.mark.parametrize("after", [None, timedelta(), -SECOND])
def test_a_lock_that_has_ended_keeps_nothing(after: timedelta | None) -> None:
    at = datetime(2026, 11, 30, tzinfo=UTC)
    assert lock_of(None if after is None else at + after, at) is None


def test_a_lock_says_until_when() -> None:
    at = datetime(2026, 11, 30, tzinfo=UTC)
    lock = lock_of(at + 36 * DAY, at)
    assert lock is not None
    assert (lock.reason, lock.until) == (
        "kept until 2027-01-05: locked in the store",
        at + 36 * DAY,
    )


def test_a_new_copy_knows_until_when_it_is_locked(copy: BackupCopy) -> None:
    assert days_left(copy) == 20
    ends = [
        until_in_store(pack_of(copy)),
        until_in_store(key_of(copy, copy.path + "/manifest.json.zst")),
    ]
    assert copy.locked_until == min(ends)


def test_nobody_can_purge_it_before(copy: BackupCopy) -> None:
    job = purge(copy, force=True)
    assert job.status == JobStatus.REFUSED
    assert f"is kept until {now() + 20 * DAY:%Y-%m-%d}: locked in the store" in job.error
    with time_machine.travel(now() + 21 * DAY):
        assert purge(copy, force=True).status == JobStatus.SUCCEEDED


def test_a_purge_believes_the_store_not_the_row(copy: BackupCopy) -> None:
    BackupCopy.objects.update(locked_until=None, lock_checked_at=None)
    assert purge(copy, force=True).status == JobStatus.REFUSED
    assert days_left(copy) == 20


def test_retention_requests_no_purge_before_the_lock_ends(
    orders: Instance, engine: FakeEngine, bucket: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It moves with this host's.
    monkeypatch.setattr(clock_jump, "database_clock", now)
    schedule = make_schedule(orders, keep_for=2 * DAY, keep_least=1)
    start = now()
    for age in (18, 3, 0):
        with time_machine.travel(start - age * DAY):
            made_by_schedule(schedule, take_backup(orders, bucket))
    prove(Backup.objects.latest("ended_at").copies.get(), "verify", passed=True)
    oldest = BackupCopy.objects.earliest("backup__ended_at")
    judged = {each.copy.pk: each.verdict for each in judge_copies(now())}[oldest.pk]
    assert judged.reason == f"kept until {start + 2 * DAY:%Y-%m-%d}: locked in the store"
    assert judged.until == oldest.locked_until
    assert expire_backups(now()) == 0
    with time_machine.travel(start + 2 * DAY + 60 * SECOND):
        renew_locks(now())
        assert expire_backups(now()) == 1
    assert Job.objects.get(operation="purge").copy == oldest


def test_a_lock_is_renewed_at_its_half_and_not_before(copy: BackupCopy, proxy: BadProxy) -> None:
    proxy.requests.clear()
    tasks.renew_locks()
    assert [path for method, path in proxy.requests if "/packs/" in path] == []
    with time_machine.travel(now() + 10 * DAY + 60 * SECOND):
        assert renew_locks(now()) == 1
        assert days_left(copy) == 20
        assert copy.locked_until == until_in_store(pack_of(copy))


def test_what_retention_gives_up_is_not_renewed(copy: BackupCopy, bucket: Repository) -> None:
    Repository.objects.update(keep_for=DAY, keep_least=1, keep_proven=0)
    take_backup(copy.backup.instance, bucket)
    BackupCopy.objects.update(lock_checked_at=None)
    with time_machine.travel(now() + 12 * DAY):
        take_backup(copy.backup.instance, bucket)
        take_backup(copy.backup.instance, bucket)
        Backup.objects.filter(pk=copy.backup.pk).update(made_by=None)
        renew_locks(now())
        assert days_left(copy) == 8
        assert renew_locks(now()) == 0


def test_a_lock_that_somebody_shortened_is_seen_and_renewed(copy: BackupCopy) -> None:
    calls().put_object_retention(
        **pack_of(copy), Retention={"Mode": "COMPLIANCE", "RetainUntilDate": now() + DAY}
    )
    with time_machine.travel(now() + 7 * DAY):
        assert renew_locks(now()) == 1
        assert days_left(copy) == 13
        assert until_in_store(pack_of(copy)) > now() + 19 * DAY


def test_a_copy_that_a_purge_takes_meanwhile_is_left_to_it(copy: BackupCopy) -> None:
    BackupCopy.objects.update(locked_until=now() + 3 * DAY)
    locks = locks_of(copy.repository)
    assert locks is not None
    note_copy_lock(locks, copy, now(), keep=True)
    assert days_left(copy) == 3


def test_a_renewal_that_fails_is_alerted(copy: BackupCopy, proxy: BadProxy) -> None:
    with time_machine.travel(now() + 11 * DAY):
        proxy.fail("PUT", refuse(403, "AccessDenied"), times=99, part="retention")
        assert renew_locks(now()) == 0
        facts = next(each for each in load_site_facts(now()) if isinstance(each, RepositoryFacts))
        finding = LOCKS_NOT_RENEWED.check(facts, Limits({}, {}))
        assert finding is not None
        assert "mooring.json could not be locked: access is denied" in finding.message
        proxy.faults.clear()
        assert renew_locks(now()) == 1
        assert Repository.objects.get().lock_fault == ""


def test_one_copy_that_cannot_be_renewed_keeps_no_other_from_it(
    copy: BackupCopy, proxy: BadProxy
) -> None:
    other = take_backup(copy.backup.instance, copy.repository).copies.get()
    with time_machine.travel(now() + 11 * DAY):
        proxy.fail("PUT", refuse(500, "InternalError"), times=9, part=f"{quote(copy.path)}/packs")
        assert renew_locks(now()) == 1
        assert (days_left(copy), days_left(other)) == (9, 20)
        assert Repository.objects.get().lock_fault.startswith(copy.backup.label)


def test_a_deleted_object_is_a_fault_that_names_the_way_back(copy: BackupCopy) -> None:
    calls().delete_object(**pack_of(copy))
    check_repositories(now())
    copy.refresh_from_db()
    assert copy.fault == CopyFault.MISSING
    assert "packs/000001.pack was deleted in the store on" in copy.fault_detail
    assert copy.fault_detail.endswith("are still there: recoverversions offsite")


def test_an_overwritten_object_is_a_fault_though_its_size_is_the_same(copy: BackupCopy) -> None:
    size = calls().head_object(**pack_of(copy))["ContentLength"]
    with time_machine.travel(now() + 2 * DAY):
        calls().put_object(**pack_of(copy), Body=bytes(size))
        assert check_copies(now()) == 1
    copy.refresh_from_db()
    assert copy.fault == CopyFault.CHANGED
    assert "packs/000001.pack was overwritten in the store" in copy.fault_detail


def test_everything_is_recovered_by_one_command(copy: BackupCopy, tmp_path: Path) -> None:
    for name in ("mooring.json", f"{copy.path}/manifest.json.zst"):
        calls().delete_object(**key_of(copy, name))
    with time_machine.travel(now() + DAY):
        calls().put_object(**pack_of(copy), Body=b"garbage")
    assert check_repositories(now()) == 1
    with time_machine.travel(now() + 2 * DAY):
        answer = run_command("recoverversions", "offsite", "--json").json()
        assert answer["recovered"] == {"mooring.json": 1, copy.backup.label: 2}
        assert run_command("recoverversions", "offsite", "--json").json()["recovered"] == {}
        assert (check_repositories(now()), check_copies(now())) == (0, 0)
        copy.refresh_from_db()
        assert (copy.fault, copy.status) == ("", CopyStatus.STORED)
        assert restore(copy, tmp_path / "restored").status == JobStatus.SUCCEEDED
    with time_machine.travel(now() + 13 * DAY):
        # What is read now is renewed with the version below it.
        assert renew_locks(now()) == 1
        assert until_in_store(pack_of(copy)) > now() + 19 * DAY


def test_a_rewritten_manifest_is_no_fault(copy: BackupCopy) -> None:
    run_command("rotatekeys")
    assert check_copies(now() + 2 * DAY) == 0


def test_a_repository_without_locks_is_not_recovered(orders: Instance, main: Repository) -> None:
    ended = run_command("recoverversions", "main")
    assert ended.exit_code == 2
    assert "main is in no bucket with object lock" in ended.stderr


def test_what_somebody_deleted_stays_locked_until_it_is_recovered(copy: BackupCopy) -> None:
    original = calls().head_object(**pack_of(copy))["VersionId"]
    for where in (pack_of(copy), key_of(copy, "mooring.json")):
        calls().delete_object(**where)
    assert check_repositories(now()) == 1
    BackupCopy.objects.update(fault=CopyFault.MISSING)
    with time_machine.travel(now() + 11 * DAY):
        assert renew_locks(now()) == 1
        assert Repository.objects.get().lock_fault == ""
        held = calls().head_object(**pack_of(copy), VersionId=original)
        assert held["ObjectLockRetainUntilDate"] > now() + 19 * DAY


def test_a_copy_of_which_nothing_is_left_can_be_purged(copy: BackupCopy) -> None:
    for version in calls().list_object_versions(Bucket=pack_of(copy)["Bucket"])["Versions"]:
        if ".pack" in version["Key"]:
            where = {**pack_of(copy), "VersionId": version["VersionId"]}
            retention = {"Mode": "GOVERNANCE", "RetainUntilDate": now() - DAY}
            calls().put_object_retention(**where, Retention=retention)
            calls().delete_object(**where)
    check_repositories(now())
    assert renew_locks(now() + 8 * DAY) == 0
    assert Repository.objects.get().lock_fault == ""
    copy.refresh_from_db()
    assert (copy.fault, copy.locked_until) == (CopyFault.MISSING, None)
    assert purge(copy, force=True).status == JobStatus.SUCCEEDED


def test_a_copy_that_is_unsound_after_its_recovery_is_no_success(copy: BackupCopy) -> None:
    where = pack_of(copy)
    (registered,) = [
        version["VersionId"]
        for version in calls().list_object_versions(Bucket=where["Bucket"])["Versions"]
        if version["Key"] == where["Key"]
    ]
    with time_machine.travel(now() + DAY):
        calls().put_object(**where, Body=b"ransom")
    past = {"Mode": "GOVERNANCE", "RetainUntilDate": now() - DAY}
    calls().put_object_retention(**where, VersionId=registered, Retention=past)
    calls().delete_object(**where, VersionId=registered)
    with time_machine.travel(now() + 2 * DAY):
        assert check_copies(now()) == 1
        calls().delete_object(**where)
        ended = run_command("recoverversions", "offsite", "--json")
    assert ended.exit_code == 1
    assert ended.json()["failed"][copy.backup.label].startswith("still changed: ")
