"""Planned verifies and restore tests: what is read, and what each end means for the run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from backups.chains.due import consolidate_chains
from backups.exceptions import Refused
from backups.health.protection_facts import schedules_of
from backups.models import (
    Backup,
    BackupCopy,
    BackupSchedule,
    Drill,
    Evidence,
    Instance,
    Job,
    Occurrence,
    Repository,
)
from backups.models.repository import RepositoryKind
from backups.models.schedule import AtWindowEnd, CatchUp
from backups.parameters import RestoreTestParameters, VerifyParameters
from backups.retention.stored import unhealthy_runs
from backups.schedules.coverage import covering_schedules, uncovered_instances
from backups.states import JobStatus, OccurrenceStatus, Operation, ProofTarget, WaitReason
from tests.backups.binlog_archive.stored import backup_at
from tests.backups.planning import (
    HOUR,
    MINUTE,
    SECOND,
    T0,
    finish,
    make_instances,
    make_place,
    make_schedule,
    only,
    start,
    tick,
)
from tests.backups.taking import prove

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def main(db: None) -> Repository:
    return make_place()


@pytest.fixture
def shop(main: Repository) -> Instance:
    instance = make_instances(1, "shop")[0]
    backup_at(instance, main, "", 0, at=T0 - 2 * DAY)
    backup_at(instance, main, "", 0, at=T0 - DAY)
    return instance


# Any: a schedule's columns.
def proving(*instances: Instance, **values: Any) -> BackupSchedule:
    return make_schedule(
        *instances, **{"name": "proofs", "operation": Operation.RESTORE_TEST, **values}
    )


def newest(instance: Instance) -> BackupCopy:
    return BackupCopy.objects.filter(backup__instance=instance).latest("backup__ended_at")


def refute(job: Job | None, operation: str = Operation.RESTORE_TEST) -> None:
    assert job is not None and job.copy is not None
    evidence = prove(job.copy, operation, passed=False)
    Evidence.objects.filter(pk=evidence.pk).update(job=job)


def test_the_newest_backup_is_tested_at_its_time(shop: Instance) -> None:
    proving(shop)
    tick(T0)
    run = only()
    assert run.job is not None
    assert (run.job.operation, run.job.copy) == (Operation.RESTORE_TEST, newest(shop))
    assert RestoreTestParameters.of(run.job).point is None
    assert run.job.events.get().actor == "schedule proofs"
    start(run.job, T0 + SECOND)
    tick(T0 + 2 * SECOND)
    finish(run.job, T0 + MINUTE)
    tick(T0 + MINUTE)
    assert only().status == OccurrenceStatus.SUCCEEDED


def test_a_backup_that_runs_does_not_hold_it_back(shop: Instance) -> None:
    make_schedule(shop)
    proving(shop)
    tick(T0)
    assert {job.operation for job in Job.objects.all()} == {"backup", "restore_test"}


def test_of_one_instance_one_proof_runs_at_a_time(shop: Instance) -> None:
    proving(shop)
    proving(shop, name="verifies", operation=Operation.VERIFY)
    tick(T0)
    waiting = Occurrence.objects.get(job=None)
    assert (Job.objects.count(), waiting.reason) == (1, WaitReason.PREVIOUS_RUNNING)


def test_no_more_than_its_limit_run_at_once(shop: Instance, main: Repository) -> None:
    others = make_instances(4, "more")
    for instance in others:
        backup_at(instance, main, "", 0, at=T0 - DAY)
    proving(shop, *others, max_jobs=2)
    tick(T0)
    assert Job.objects.count() == 2
    finish(start(Job.objects.earliest("pk"), T0), T0 + MINUTE)
    tick(T0 + MINUTE)
    assert Job.objects.count() == 3


def test_a_random_backup_is_drawn_of_all(shop: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.randbelow", lambda count: count - 1)
    proving(shop, proof_target=ProofTarget.ANY)
    tick(T0)
    assert only().job.copy.backup.ended_at == T0 - 2 * DAY  # type: ignore[union-attr]


def test_a_verify_takes_the_copy_that_was_verified_longest_ago(
    shop: Instance, main: Repository
) -> None:
    first = newest(shop)
    second = BackupCopy.objects.create(
        backup=first.backup, repository=make_place("other"), path="x", stored_bytes=1, pack_count=1
    )
    prove(first, Operation.VERIFY, passed=True)
    proving(shop, operation=Operation.VERIFY, check_pages=True)
    tick(T0)
    job = only().job
    assert job is not None
    assert (job.copy, VerifyParameters.of(job).pages) == (second, True)
    Job.objects.all().delete()
    Repository.objects.filter(name="other").update(kind=RepositoryKind.MEDIA)
    tick(T0 + DAY)
    assert Job.objects.get().copy == first, "pages cannot be checked on media"


def test_after_a_backup_that_backup_is_tested(shop: Instance, main: Repository) -> None:
    nightly = make_schedule(shop)
    proving(shop, cron="", after=nightly)
    tick(T0)
    job = start(only().job, T0)
    made = backup_at(shop, main, "", 0, at=T0 + MINUTE)
    # A newer one from elsewhere is not what the run made.
    backup_at(shop, main, "", 0, at=T0 + 2 * MINUTE)
    Backup.objects.filter(pk=made.pk).update(made_by=job)
    finish(job, T0 + MINUTE)
    tick(T0 + MINUTE)
    test = Job.objects.get(operation=Operation.RESTORE_TEST)
    assert test.backup == made


def test_without_a_backup_there_is_nothing_to_prove(main: Repository) -> None:
    empty = make_instances(1, "empty")[0]
    proving(empty)
    tick(T0)
    run = only()
    assert (run.status, run.reason) == ("skipped", WaitReason.NOTHING_TO_PROVE)
    assert "has no backup" in run.detail
    assert not Job.objects.exists()


@pytest.mark.parametrize("ended", [JobStatus.REFUSED, JobStatus.FAILED, JobStatus.LOST])
def test_what_the_host_cannot_do_is_retried_and_never_failed(
    shop: Instance, ended: JobStatus
) -> None:
    proving(shop, retries=1, retry_delay=10 * MINUTE)
    tick(T0)
    finish(start(only().job, T0), T0 + MINUTE, ended, error="no room in /scratch")
    tick(T0 + MINUTE)
    run = only()
    assert (run.status, run.reason) == ("due", WaitReason.NO_RESULT)
    assert run.detail == "not drilled, because no room in /scratch"
    tick(T0 + 11 * MINUTE)
    assert Job.objects.count() == 2
    finish(start(only().job, T0 + 11 * MINUTE), T0 + 12 * MINUTE, ended, error="no room")
    tick(T0 + 12 * MINUTE)
    run = only()
    assert (run.status, run.reason) == ("refused", WaitReason.NO_RESULT)
    assert run.detail == "not drilled, because no room"


def test_one_whose_second_attempt_never_started_was_not_done(shop: Instance) -> None:
    proving(shop, retries=1, retry_delay=10 * MINUTE, window=HOUR, catch_up=CatchUp.SKIP)
    tick(T0)
    finish(start(only().job, T0), T0 + MINUTE, JobStatus.REFUSED, error="no room")
    tick(T0 + MINUTE)
    tick(T0 + 11 * MINUTE)
    tick(T0 + HOUR + SECOND)
    run = only()
    assert (run.status, run.attempts) == (OccurrenceStatus.REFUSED, 2), run.reason


def test_a_refusal_where_there_are_backups_is_no_lack_of_them(
    shop: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(occurrence: Occurrence) -> Job:
        raise Refused("no copy is on a disk")

    monkeypatch.setattr("backups.schedules.tick.request_proof", refuse)
    proving(shop)
    tick(T0)
    run = only()
    assert (run.status, run.reason) == ("refused", WaitReason.NO_RESULT)
    assert run.detail == "no copy is on a disk"


def test_one_that_is_stopped_at_the_end_of_its_window_has_not_failed(shop: Instance) -> None:
    proving(shop, at_window_end=AtWindowEnd.CANCEL, window=HOUR)
    tick(T0)
    start(only().job, T0)
    tick(T0 + MINUTE)
    tick(T0 + HOUR)
    finish(only().job, T0 + HOUR, JobStatus.CANCELLED)
    tick(T0 + HOUR + SECOND)
    assert (only().status, only().reason) == ("refused", WaitReason.WINDOW_END)


def test_a_fault_that_was_found_is_not_looked_for_again(shop: Instance) -> None:
    proving(shop, retries=3)
    tick(T0)
    refute(only().job)
    finish(start(only().job, T0), T0 + MINUTE, JobStatus.FAILED, error="faulty tables: a.b")
    tick(T0 + MINUTE)
    run = only()
    assert (run.status, run.detail) == ("failed", "faulty tables: a.b")
    tick(T0 + DAY)
    again = Occurrence.objects.latest("due_at").job
    assert again is not None and again.backup is not None
    assert again.backup.ended_at == T0 - 2 * DAY, "the newest that could be restored"


def test_a_drill_that_failed_is_a_result(shop: Instance) -> None:
    proving(shop, retries=3)
    tick(T0)
    job = start(only().job, T0)
    assert job.copy is not None
    Drill.objects.create(
        instance=shop, copy=job.copy, job=job, point="random", moment=T0, range_from=T0,
        range_to=T0, passed=False,
    )  # fmt: skip
    finish(job, T0 + MINUTE, JobStatus.FAILED, error="no transaction")
    tick(T0 + MINUTE)
    assert only().status == OccurrenceStatus.FAILED


class TestItProtectsNothing:
    def test_it_covers_no_instance(self, shop: Instance) -> None:
        schedule = proving(shop, covers_all=True, consolidate_after=1)
        schedule.copy_to.set(Repository.objects.all())
        assert list(uncovered_instances()) == [shop]
        assert covering_schedules([shop.pk]) == {shop.pk: set()}
        assert schedules_of([shop.pk]) == {shop.pk: []}
        assert schedule.kinds == frozenset()
        assert consolidate_chains(T0) == 0

    def test_its_failed_run_holds_no_retention_back(self, shop: Instance) -> None:
        schedule = proving(shop)
        tick(T0)
        Occurrence.objects.update(status="failed")
        assert unhealthy_runs(None) == {}
        BackupSchedule.objects.update(operation=Operation.BACKUP)
        assert unhealthy_runs(None) == {(schedule.pk, shop.pk): "failed"}


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("check_pages", {"check_pages": True}),
        ("proof_target", {"operation": Operation.VERIFY, "proof_target": ProofTarget.RANDOM}),
        ("proof_target", {"operation": Operation.BACKUP, "proof_target": ProofTarget.NEWEST}),
        ("origin", {"origin": "observed"}),
        ("at_window_end", {"at_window_end": AtWindowEnd.SLOW}),
    ],
)
def test_what_contradicts_itself_is_refused(
    db: None, column: str, values: dict[str, object]
) -> None:
    schedule = BackupSchedule(
        **{"name": "p", "cron": "0 1 * * *", "operation": Operation.RESTORE_TEST, **values}
    )
    with pytest.raises(ValidationError) as refused:
        schedule.full_clean()
    assert column in refused.value.message_dict


def test_an_operation_stays_and_no_backup_waits_for_a_proof(shop: Instance) -> None:
    schedule = proving(shop)
    schedule.operation = Operation.VERIFY
    with pytest.raises(ValidationError, match="add another schedule"):
        schedule.full_clean()
    follower = BackupSchedule(name="full", after=BackupSchedule.objects.get())
    with pytest.raises(ValidationError, match="cannot run after a verify"):
        follower.full_clean()
    BackupSchedule(name="v", operation=Operation.VERIFY, after=schedule).full_clean()
