"""Which restore test is requested: of which backup, and to which moment?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.exceptions import Refused
from backups.jobs.repeat import rerun
from backups.models import (
    Backup,
    BackupSchedule,
    BinlogArchive,
    Drill,
    Evidence,
    Instance,
    Job,
    Occurrence,
    Repository,
)
from backups.models.job import LogLevel
from backups.parameters import RestoreTestParameters
from backups.restores.drills import WantedTest, create_restore_test_job
from backups.stages.proof import DRILL_STAGES, RESTORE_TEST_STAGES, stages_for
from backups.states import DrillPoint, JobStatus, Operation
from tests.backups.binlog_archive.spooled import (
    SECOND,
    T0,
    archive_of,
    gtids,
    timeline_of,
)
from tests.backups.binlog_archive.stored import backup_at, store_files
from tests.backups.taking import run_here
from tests.monitor.rows import make_user

pytestmark = pytest.mark.django_db(transaction=True)
Below = Callable[[int], int]
FIRST: Below = lambda count: 0  # noqa: E731


@pytest.fixture(autouse=True)
def spool_of_the_test(tmp_path: Path, settings: Settings) -> None:
    settings.BINLOG_SPOOL = tmp_path / "binlogs"


@pytest.fixture
def archive(orders: Instance, main: Repository) -> BinlogArchive:
    """With 9 transactions, a second apart, in three files."""
    archive = archive_of(orders, main)
    store_files(archive, timeline_of(orders), 3)
    return archive


@pytest.fixture
def backup(archive: BinlogArchive, main: Repository) -> Backup:
    """It ended when the third transaction, and the first file, did."""
    size = archive.instance.binlog_timelines.get().segments.get(file="b.000001").end
    return backup_at(
        archive.instance, main, "b.000001", size, at=T0 + 3 * SECOND, gtids=gtids(1, 3)
    )


def planned_test(instance: Instance) -> Occurrence:
    schedule = BackupSchedule.objects.create(
        name="tests", cron="0 12 * * *", operation=Operation.RESTORE_TEST
    )
    moments = {"due_at": T0, "starts_at": T0, "late_after": T0, "missed_after": T0}
    return Occurrence.objects.create(schedule=schedule, instance=instance, **moments)


def asked_of(job: Job) -> RestoreTestParameters:
    return RestoreTestParameters.of(job)


def moment_of(job: Job) -> datetime | None:
    until = asked_of(job).until
    return datetime.fromisoformat(until) if until else None


class TestRandomMoment:
    def test_it_is_of_the_range_and_from_the_backup_that_leads_there(
        self, backup: Backup, orders: Instance
    ) -> None:
        job = create_restore_test_job(WantedTest(orders, DrillPoint.RANDOM), wake=False)
        asked = asked_of(job)
        assert (job.backup, asked.point, asked.not_replayed) == (backup, "random", None)
        assert asked.range_from == backup.ended_at.isoformat()
        assert asked.range_to == (T0 + 9 * SECOND).isoformat()
        moment = moment_of(job)
        assert moment is not None and T0 + 6 * SECOND < moment <= T0 + 9 * SECOND
        assert stages_for(asked) == DRILL_STAGES

    def test_running_it_again_goes_to_the_same(self, backup: Backup, orders: Instance) -> None:
        job = create_restore_test_job(WantedTest(orders, DrillPoint.RANDOM), wake=False)
        Job.objects.filter(pk=job.pk).update(status=JobStatus.LOST)
        job.refresh_from_db()
        again = rerun(job, requested_by=make_user("olga", "operator"))
        assert asked_of(again) == asked_of(job)

    def test_a_person_who_runs_a_scheduled_one_again_requests_it(
        self, backup: Backup, orders: Instance
    ) -> None:
        run = planned_test(orders)
        job = create_restore_test_job(WantedTest(orders, DrillPoint.RANDOM, occurrence=run))
        assert job.occurrence == run
        Job.objects.filter(pk=job.pk).update(status=JobStatus.LOST)
        job.refresh_from_db()
        again = rerun(job, requested_by=make_user("olga", "operator"))
        assert (asked_of(again), again.occurrence) == (asked_of(job), None)

    def test_pieces_that_cannot_be_read_are_found_by_the_job(
        self, backup: Backup, orders: Instance, main: Repository
    ) -> None:
        for path in Path(main.path).rglob("binlogs/**/*"):
            if path.is_file():
                path.write_bytes(b"")
        job = create_restore_test_job(WantedTest(orders, DrillPoint.RANDOM), wake=False)
        assert (job.backup, moment_of(job) is not None) == (backup, True)

    def test_of_a_named_backup_it_is_after_that(
        self, backup: Backup, orders: Instance, main: Repository
    ) -> None:
        size = orders.binlog_timelines.get().segments.get(file="b.000002").end
        later = backup_at(
            orders, main, "b.000002", size, at=T0 + 6 * SECOND, gtids=gtids(1, 6), label="later"
        )
        for chosen, first in ((backup, 6), (later, 7.5)):
            wanted = WantedTest(orders, DrillPoint.RANDOM, chosen.copies.get())
            job = create_restore_test_job(wanted, wake=False, below=FIRST)
            moment = moment_of(job)
            assert job.backup == chosen
            assert moment is not None and moment > T0 + first * SECOND

    def test_the_newest_is_the_last_transaction_received(
        self, backup: Backup, orders: Instance, archive: BinlogArchive
    ) -> None:
        job = create_restore_test_job(WantedTest(orders, DrillPoint.NEWEST), wake=False)
        assert moment_of(job) == T0 + 9 * SECOND
        BinlogArchive.objects.update(last_commit_at=T0 + 10 * SECOND)
        job = create_restore_test_job(WantedTest(orders, DrillPoint.NEWEST), wake=False)
        assert moment_of(job) == T0 + 10 * SECOND


class TestBackupAlone:
    def test_without_an_archive_the_job_says_so_and_counts_for_no_moment(
        self, orders: Instance, main: Repository
    ) -> None:
        backup_at(orders, main, "b.000001", 4)
        job = create_restore_test_job(WantedTest(orders, DrillPoint.RANDOM), wake=False)
        asked = asked_of(job)
        assert (asked.until, asked.point) == (None, "random")
        assert asked.not_replayed == "the instance has no binlog archive"
        assert stages_for(asked)[1:] == RESTORE_TEST_STAGES

        # The files of this backup are not there: it fails, and after it has said what it does.
        job = run_here(job)
        (stage,) = job.stages.filter(name="find transactions")
        assert stage.detail.endswith("is tested: the instance has no binlog archive")
        assert job.log_lines.filter(level=LogLevel.WARNING, source="find transactions").exists()
        assert not Drill.objects.exists()

    def test_without_a_transaction_after_it(
        self, archive: BinlogArchive, orders: Instance, main: Repository
    ) -> None:
        alone = backup_at(orders, main, "b.000077", 4)
        named = WantedTest(orders, DrillPoint.NEWEST, alone.copies.get())
        job = create_restore_test_job(named, wake=False)
        assert asked_of(job).not_replayed == (
            f"no archived transaction follows {alone.label} without a gap"
        )
        BinlogArchive.objects.update(not_recoverable="b.000002 is missing; take a backup")
        job = create_restore_test_job(WantedTest(orders, DrillPoint.NEWEST), wake=False)
        assert asked_of(job).not_replayed == "b.000002 is missing; take a backup"

    def test_a_plain_one_has_the_stages_it_had(self, backup: Backup, orders: Instance) -> None:
        job = create_restore_test_job(WantedTest(orders), wake=False)
        assert asked_of(job) == RestoreTestParameters()
        assert stages_for(asked_of(job)) == RESTORE_TEST_STAGES

    def test_without_a_backup_nothing_is_tested(self, orders: Instance) -> None:
        with pytest.raises(Refused, match="no backup that can be restored"):
            create_restore_test_job(WantedTest(orders, DrillPoint.RANDOM), wake=False)


def test_transactions_that_are_not_there_fail_the_drill_and_not_the_backup(
    backup: Backup, orders: Instance
) -> None:
    job = create_restore_test_job(WantedTest(orders, DrillPoint.NEWEST), wake=False)
    # Inside a transaction.
    Backup.objects.update(binlog_position=200)

    job = run_here(Job.objects.get(pk=job.pk))

    assert (job.status, job.leftovers) == (JobStatus.REFUSED, False)
    drill = Drill.objects.get()
    assert (drill.passed, drill.failed_stage, drill.job) == (False, "find transactions", job)
    assert drill.error in job.error
    assert (drill.moment, drill.range_to) == (T0 + 9 * SECOND, T0 + 9 * SECOND)
    assert (drill.transactions, drill.recovery_time) == (None, None)
    assert not Evidence.objects.exists()
