"""Is a status written only by a legal move, by one winner, and with its event?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from backups.exceptions import IllegalTransition, LeaseLost
from backups.models import Backup, BackupCopy, Instance, Job, JobEvent, JobStage, Repository
from backups.states import (
    COPY_MOVES,
    JOB_MOVES,
    STAGE_MOVES,
    TERMINAL_JOB_STATUSES,
    CopyStatus,
    JobStatus,
    Operation,
    StageStatus,
)
from backups.transitions.copies import expire_copy, purge_copy
from backups.transitions.jobs import JobOutcome, claim, end, lose, note_process, own
from backups.transitions.stages import move_stage

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
LATER = T0 + timedelta(minutes=5)
LEASE = timedelta(seconds=60)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def lease(settings: Settings) -> None:
    settings.LEASE_SECONDS = LEASE.seconds


@pytest.fixture
def orders() -> Instance:
    return Instance.objects.create(name="orders-1")


@pytest.fixture
def job(orders: Instance) -> Job:
    return make_job(orders)


def make_job(instance: Instance, status: JobStatus = JobStatus.PENDING) -> Job:
    return Job.objects.create(instance=instance, operation=Operation.BACKUP, status=status)


def claim_as(job: Job, worker: str = "w1", key: str = "instance 1") -> bool:
    return claim(job, worker=worker, exclusive_key=key, now=T0)


def events(job: Job) -> list[tuple[str, str, str, str]]:
    found = JobEvent.objects.filter(job=job)
    return [(event.old_status, event.new_status, event.actor, event.reason) for event in found]


class TestClaim:
    def test_it_makes_the_worker_the_owner(self, job: Job) -> None:
        assert claim_as(job)

        stored = Job.objects.get(pk=job.pk)
        assert (stored.status, stored.worker, stored.fencing_token) == ("running", "w1", 1)
        assert (stored.started_at, stored.status_since) == (T0, T0)
        assert stored.lease_expires_at == T0 + LEASE
        assert stored.exclusive_key == "instance 1"
        assert (job.status, job.fencing_token) == ("running", 1)
        assert events(job) == [("pending", "running", "w1", "")]

    def test_the_second_delivery_loses_quietly(self, job: Job) -> None:
        stale = Job.objects.get(pk=job.pk)
        assert claim_as(job, "w1")

        assert not claim_as(stale, "w2")
        assert not claim_as(job, "w3")

        assert Job.objects.get(pk=job.pk).worker == "w1"
        # The losing process must not leave an event behind
        assert len(events(job)) == 1

    def test_a_key_another_job_holds_keeps_it_pending(self, orders: Instance, job: Job) -> None:
        second = make_job(orders)
        claim_as(job, key="instance 1")

        assert not claim_as(second, key="instance 1")

        second.refresh_from_db()
        assert (second.status, second.exclusive_key, second.fencing_token) == ("pending", None, 0)
        assert events(second) == []
        assert claim_as(second, key="instance 2")

    def test_the_key_is_free_when_its_job_has_ended(self, orders: Instance, job: Job) -> None:
        second = make_job(orders)
        claim_as(job)
        end(job, JobStatus.FAILED, now=LATER)

        assert claim_as(second)

    def test_a_job_that_is_to_be_cancelled_is_not_started(self, job: Job) -> None:
        Job.objects.filter(pk=job.pk).update(cancel_requested=True)
        assert not claim_as(job)
        assert events(job) == []

    @pytest.mark.parametrize("status", sorted(set(JobStatus) - {JobStatus.PENDING}))
    def test_only_a_pending_job_can_be_claimed(self, orders: Instance, status: JobStatus) -> None:
        job = make_job(orders, status)
        assert not claim_as(job)
        assert Job.objects.get(pk=job.pk).status == status


class TestEnd:
    def test_it_refuses_every_move_the_table_does_not_list(
        self, orders: Instance, subtests: pytest.Subtests
    ) -> None:
        for old in JobStatus:
            # Running is no end: only a claim leads there.
            for new in set(JobStatus) - (JOB_MOVES[old] & TERMINAL_JOB_STATUSES):
                with subtests.test(f"{old} to {new}"):
                    job = make_job(orders, old)
                    with pytest.raises(IllegalTransition, match=f"{old} to {new}"):
                        end(job, new, now=T0)
                    assert Job.objects.get(pk=job.pk).status == old
                    assert events(job) == []

    def test_it_makes_every_move_the_table_lists(
        self, orders: Instance, subtests: pytest.Subtests
    ) -> None:
        for old, moves in JOB_MOVES.items():
            for new in moves & TERMINAL_JOB_STATUSES:
                with subtests.test(f"{old} to {new}"):
                    job = make_job(orders, old)
                    assert end(job, new, now=T0, actor="ann", outcome=JobOutcome(reason="why"))
                    assert (job.status, job.ended_at, job.status_since) == (new, T0, T0)
                    assert events(job) == [(old, new, "ann", "why")]

    def test_it_releases_what_the_job_held(self, job: Job) -> None:
        claim_as(job)
        own(job, 1, rate_bytes_per_s=5, current_file="t.ibd")

        assert end(
            job,
            JobStatus.FAILED,
            now=LATER,
            outcome=JobOutcome(error="copy failed: x", hint="Do y.", failed_stage="copy"),
        )

        stored = Job.objects.get(pk=job.pk)
        assert (stored.lease_expires_at, stored.exclusive_key) == (None, None)
        assert (stored.rate_bytes_per_s, stored.current_file) == (None, "")
        assert (stored.error, stored.hint) == ("copy failed: x", "Do y.")
        assert stored.failed_stage == "copy"
        assert (stored.started_at, stored.ended_at) == (T0, LATER)
        # An event without a reason of its own tells the error.
        assert events(job)[-1] == ("running", "failed", "", "copy failed: x")

    def test_the_token_moves_on(self, job: Job) -> None:
        claim_as(job)
        end(job, JobStatus.LOST, now=LATER)
        assert job.fencing_token == 2

    @pytest.mark.parametrize("to", [JobStatus.SUCCEEDED, JobStatus.CANCELLED])
    def test_it_loses_the_race_quietly(self, job: Job, to: JobStatus) -> None:
        claim_as(job)
        stale = Job.objects.get(pk=job.pk)
        stage = JobStage.objects.create(job=job, position=1, name="copy")
        end(job, JobStatus.LOST, now=T0)

        assert not end(stale, to, now=LATER)

        stored = Job.objects.get(pk=job.pk)
        assert (stored.status, stored.ended_at) == ("lost", T0)
        assert [new for _, new, _, _ in events(job)] == ["running", "lost"]
        stage.refresh_from_db()
        assert stage.status == StageStatus.SKIPPED

    def test_a_holder_of_an_old_token_cannot_end_the_job(self, job: Job) -> None:
        claim_as(job)
        stale = Job.objects.get(pk=job.pk)
        Job.objects.filter(pk=job.pk).update(fencing_token=7)

        assert not end(stale, JobStatus.SUCCEEDED, now=LATER)
        assert Job.objects.get(pk=job.pk).status == "running"

    @pytest.mark.parametrize(
        ("to", "running_becomes"),
        [
            (JobStatus.SUCCEEDED, StageStatus.SUCCEEDED),
            (JobStatus.FAILED, StageStatus.FAILED),
            (JobStatus.CANCELLED, StageStatus.FAILED),
            (JobStatus.LOST, StageStatus.FAILED),
        ],
    )
    def test_no_stage_of_an_ended_job_looks_alive(
        self, job: Job, to: JobStatus, running_becomes: StageStatus
    ) -> None:
        claim_as(job)
        for position, status in enumerate(StageStatus):
            JobStage.objects.create(job=job, position=position, name=status, status=status)
        end(job, to, now=LATER)

        became = {stage.name: stage for stage in JobStage.objects.filter(job=job)}
        assert became["running"].status == running_becomes
        assert became["running"].ended_at == LATER
        assert (became["pending"].status, became["pending"].ended_at) == ("skipped", None)
        for unchanged in ("succeeded", "failed", "skipped"):
            assert became[unchanged].status == unchanged


class TestLose:
    @pytest.mark.parametrize(("after", "lost"), [(-1, False), (0, True), (1, True)])
    def test_only_a_lease_that_ran_out_is_taken(self, job: Job, after: int, lost: bool) -> None:
        claim_as(job)
        assert lose(job, now=T0 + LEASE + timedelta(seconds=after)) is lost

        stored = Job.objects.get(pk=job.pk)
        assert stored.status == ("lost" if lost else "running")
        assert ("worker w1" in stored.error) is lost

    def test_a_lease_renewed_in_between_is_not_taken(self, job: Job) -> None:
        claim_as(job)
        seen = Job.objects.get(pk=job.pk)
        own(job, 1, lease_expires_at=LATER + LEASE)

        assert not lose(seen, now=LATER)
        assert events(job)[-1][1] == "running"


class TestOwn:
    def test_it_writes_the_columns_it_is_given_and_no_others(self, job: Job) -> None:
        claim_as(job)
        Job.objects.filter(pk=job.pk).update(cancel_requested=True)
        own(job, 1, bytes_done=7)
        note_process(job, 1, 4711, 12.5)

        stored = Job.objects.get(pk=job.pk)
        assert (stored.bytes_done, stored.cancel_requested) == (7, True)
        assert (stored.process_group, stored.process_started_at) == (4711, 12.5)

    def test_an_old_token_writes_nothing(self, job: Job) -> None:
        claim_as(job)
        for token in (0, 2):
            with pytest.raises(LeaseLost):
                own(job, token, bytes_done=7)
        assert Job.objects.get(pk=job.pk).bytes_done == 0

    def test_a_job_that_ended_is_nobodys(self, job: Job) -> None:
        claim_as(job)
        end(job, JobStatus.LOST, now=T0)
        for token in (1, 2):
            with pytest.raises(LeaseLost):
                own(job, token, bytes_done=7)


class TestMoveStage:
    def test_it_refuses_every_move_the_table_does_not_list(
        self, job: Job, subtests: pytest.Subtests
    ) -> None:
        claim_as(job)
        for position, old in enumerate(StageStatus):
            stage = JobStage.objects.create(job=job, position=position, name="x", status=old)
            for new in set(StageStatus) - STAGE_MOVES[old]:
                with (
                    subtests.test(f"{old} to {new}"),
                    pytest.raises(IllegalTransition, match=f"{old} to {new}"),
                ):
                    move_stage(stage, new, now=T0)

    def test_it_keeps_the_times_and_the_words(self, job: Job) -> None:
        claim_as(job)
        stage = JobStage.objects.create(job=job, position=1, name="copy")
        move_stage(stage, StageStatus.RUNNING, now=T0)
        move_stage(stage, StageStatus.SUCCEEDED, now=LATER, detail="3 files")

        stored = JobStage.objects.get(pk=stage.pk)
        assert (stored.status, stored.detail) == ("succeeded", "3 files")
        assert (stored.started_at, stored.ended_at) == (T0, LATER)
        assert (stage.status, stage.ended_at) == ("succeeded", LATER)

    def test_a_skipped_stage_took_no_time(self, job: Job) -> None:
        claim_as(job)
        stage = JobStage.objects.create(job=job, position=1, name="copy")
        move_stage(stage, StageStatus.SKIPPED, now=T0)
        assert (stage.status, stage.started_at, stage.ended_at) == ("skipped", None, None)

    def test_a_worker_that_lost_its_lease_moves_no_stage(self, job: Job) -> None:
        claim_as(job)
        stage = JobStage.objects.create(job=job, position=1, name="copy")
        Job.objects.filter(pk=job.pk).update(fencing_token=2)

        move_stage(stage, StageStatus.RUNNING, now=T0)

        assert JobStage.objects.get(pk=stage.pk).status == "pending"
        assert stage.status == "pending"


class TestCopies:
    @pytest.fixture
    def copy(self, orders: Instance) -> BackupCopy:

        main = Repository.objects.create(name="main", path="/srv/main")
        backup = Backup.objects.create(
            label="orders-1@20260302T010000Z-F",
            instance=orders,
            kind="full",
            engine="fake",
            raw_bytes=1,
            stored_bytes=1,
            file_count=1,
            started_at=T0,
            ended_at=T0,
        )
        return BackupCopy.objects.create(
            backup=backup, repository=main, path="x", stored_bytes=1, pack_count=1
        )

    def test_it_refuses_every_move_the_table_does_not_list(
        self, copy: BackupCopy, subtests: pytest.Subtests
    ) -> None:
        for old in CopyStatus:
            BackupCopy.objects.filter(pk=copy.pk).update(status=old)
            copy.refresh_from_db()
            if CopyStatus.EXPIRED not in COPY_MOVES[old]:
                with subtests.test(f"{old} to expired"), pytest.raises(IllegalTransition):
                    expire_copy(copy, reason="why", now=T0)
            if CopyStatus.PURGED not in COPY_MOVES[old]:
                with subtests.test(f"{old} to purged"), pytest.raises(IllegalTransition):
                    purge_copy(copy, now=T0)
            assert BackupCopy.objects.get(pk=copy.pk).status == old

    def test_it_is_expired_with_a_reason_and_then_purged(self, copy: BackupCopy) -> None:
        assert expire_copy(copy, reason="a newer one is proven", now=T0)
        assert (copy.status, copy.status_since) == ("expired", T0)
        assert purge_copy(copy, now=LATER)
        assert (copy.status, copy.status_since) == ("purged", LATER)
        assert copy.expire_reason == "a newer one is proven"

    def test_the_second_to_expire_it_loses_quietly(self, copy: BackupCopy) -> None:
        stale = BackupCopy.objects.get(pk=copy.pk)
        expire_copy(copy, reason="first", now=T0)

        assert not expire_copy(stale, reason="second", now=LATER)
        assert (stale.status, stale.expire_reason, stale.status_since) == ("expired", "first", T0)
