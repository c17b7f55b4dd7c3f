"""One job goes on with a kept folder, and one alone; who gives it up has it removed."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest
from django.utils.timezone import now

from backups.exceptions import BadInput, Refused
from backups.executor.leftovers import remove_leftovers
from backups.jobs.cancel import request_cancel
from backups.jobs.continuing import claim_folder_for, continue_restore, give_up, kept_folder
from backups.jobs.request import create_restore_job, request_again
from backups.models import BackupCopy, Instance, Job, KeptRestore, Repository
from backups.parameters import RestoreParameters
from backups.restores.kept import begin_keeping, goal_to_continue
from backups.restores.target import claim_folder
from backups.states import JobStatus
from backups.transitions.jobs import JobOutcome, claim, end, lose
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import run_here, take_backup

pytestmark = pytest.mark.django_db(transaction=True)

GOAL = {"until_gtid": "0-1-9", "skip_gtids": "0-1-5"}


@pytest.fixture
def copy(orders: Instance, main: Repository, engine: FakeEngine) -> BackupCopy:
    return take_backup(orders).copies.get()


@pytest.fixture
def running(copy: BackupCopy, tmp_path: Path) -> Job:
    """A restore whose replay has begun."""
    job = create_restore_job(copy, tmp_path / "target", replay=GOAL, wake=False)
    worker = f"{socket.gethostname()}:1"
    assert claim(job, worker=worker, exclusive_key="target", now=now())
    claim_folder(tmp_path / "target", job.pk)
    (tmp_path / "target" / "ibdata1").write_bytes(bytes(100_000))
    begin_keeping(job, mark=job.pk, target=tmp_path / "target", account="mooring-1")
    KeptRestore.objects.update(skipped="0-1-5")
    Job.objects.filter(pk=job.pk).update(leftovers=True)
    job.refresh_from_db()
    return job


@pytest.fixture
def kept(running: Job) -> KeptRestore:
    end(running, JobStatus.FAILED, now=now(), outcome=JobOutcome(error="no such row"))
    return kept_folder(running.pk)


def ask_to_continue(kept: KeptRestore, *skipped: str) -> Job:
    goal = goal_to_continue(kept, None, frozenset(skipped))
    return continue_restore(kept, replay=goal.as_parameters(), wake=False)


def test_it_is_asked_the_same_and_leaves_out_more(kept: KeptRestore) -> None:
    job = ask_to_continue(kept, "0-01-7")
    asked = RestoreParameters.of(job)
    assert (asked.until_gtid, asked.skip_gtids) == ("0-1-9", "0-1-5 0-1-7")
    assert (asked.continues, asked.mark) == (kept.job_id, kept.mark)
    assert asked.target == Path(kept.target)


def test_of_two_at_once_one_wins(kept: KeptRestore) -> None:
    seen = kept_folder(kept.job_id)
    first = ask_to_continue(kept)
    with pytest.raises(Refused, match=f"job {first.pk} works on"):
        ask_to_continue(kept_folder(kept.job_id))
    # Who has looked before the first wrote.
    with pytest.raises(Refused, match="another job has just been requested"):
        ask_to_continue(seen)
    with pytest.raises(Refused, match="another job has just been requested"):
        give_up(seen)
    assert Job.objects.filter(operation="restore").count() == 2


def test_one_that_ended_before_it_began_frees_it(kept: KeptRestore) -> None:
    request_cancel(ask_to_continue(kept), actor="olga")
    second = ask_to_continue(kept_folder(kept.job_id))
    # Nothing is archived here: it is refused, and the folder is still the first one's.
    assert run_here(second).status == JobStatus.REFUSED
    assert kept_folder(kept.job_id).mark == kept.mark
    assert (Path(kept.target) / "ibdata1").exists()


def test_a_running_replay_is_nobody_elses(running: Job) -> None:
    for act in (ask_to_continue, give_up):
        with pytest.raises(Refused, match=f"job {running.pk} works on"):
            act(kept_folder(running.pk))


def test_the_tick_leaves_it_and_measures_it(kept: KeptRestore) -> None:
    remove_leftovers()
    kept.refresh_from_db()
    assert (kept.bytes or 0) >= 100_000
    assert (Path(kept.target) / "ibdata1").exists()


def test_one_that_is_not_there_stops_no_clean_up(kept: KeptRestore) -> None:
    shutil.rmtree(kept.target)
    assert remove_leftovers() == 0
    kept.refresh_from_db()
    assert kept.bytes is None


def test_a_shutdown_before_it_was_taken_over_hands_the_claim_on(kept: KeptRestore) -> None:
    job = ask_to_continue(kept)
    again = request_again(job)
    kept.refresh_from_db()
    assert kept.claimed_by == again
    assert again is not None
    asked = RestoreParameters.of(again)
    assert (asked.continues, asked.mark) == (kept.job_id, kept.mark)


def test_without_a_kept_folder_it_begins_again_from_the_backup(kept: KeptRestore) -> None:
    job = ask_to_continue(kept)
    KeptRestore.objects.all().delete()
    again = request_again(job)
    assert again is not None
    asked = RestoreParameters.of(again)
    assert (asked.continues, asked.target) == (None, Path(kept.target))


def test_who_gives_it_up_has_it_removed(kept: KeptRestore) -> None:
    give_up(kept)
    remove_leftovers()
    assert not Path(kept.target).exists()
    assert not Job.objects.filter(leftovers=True).exists()
    with pytest.raises(Refused, match="has no folder that is kept"):
        kept_folder(kept.job_id)


def test_a_job_that_continued_it_has_it_removed_by_its_mark(kept: KeptRestore) -> None:
    job = ask_to_continue(kept)
    assert claim(job, worker=f"{socket.gethostname()}:1", exclusive_key="target", now=now())
    Job.objects.filter(pk=job.pk).update(leftovers=True)
    Job.objects.filter(pk=kept.job_id).update(leftovers=False)
    KeptRestore.objects.update(job=job, claimed_by=None)
    job.refresh_from_db()
    end(job, JobStatus.FAILED, now=now())
    with pytest.raises(Refused) as refused:
        kept_folder(kept.job_id)
    assert refused.value.hint == f"Its folder is job {job.pk}'s by now."
    give_up(kept_folder(job.pk))
    remove_leftovers()
    assert not Path(kept.target).exists()


def test_a_worker_that_was_shut_down_requests_what_goes_on(running: Job) -> None:
    end(running, JobStatus.FAILED, now=now())
    again = request_again(running)
    assert again is not None
    assert RestoreParameters.of(again).continues == running.pk
    assert kept_folder(running.pk).claimed_by == again


def test_a_lost_job_says_how_it_is_continued(running: Job) -> None:
    Job.objects.filter(pk=running.pk).update(lease_expires_at=now())
    running.refresh_from_db()
    assert lose(running, now=now())
    assert f"--continue {running.pk}" in running.hint


def test_another_job_cannot_claim_what_is_claimed(kept: KeptRestore, running: Job) -> None:
    ask_to_continue(kept)
    with pytest.raises(Refused):
        claim_folder_for(kept_folder(kept.job_id), running)


def test_relay_logs_are_for_a_replay_onto_mysql(copy: BackupCopy, tmp_path: Path) -> None:
    target = tmp_path / "new"
    with pytest.raises(BadInput, match="nothing is to be replayed"):
        create_restore_job(copy, target, replay_by="relay-logs", wake=False)
    with pytest.raises(BadInput, match="is no way"):
        create_restore_job(copy, target, replay=GOAL, replay_by="pipe", wake=False)
    copy.backup.engine = "mariadb_backup"
    with pytest.raises(BadInput, match="MariaDB is not replayed by relay logs"):
        create_restore_job(copy, target, replay=GOAL, replay_by="relay-logs", wake=False)
