"""How jobs are requested, refused, cancelled and woken."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.utils.timezone import now

from backups.catalog.copies import named_copy
from backups.engines.mariadb_backup import MariadbOptions
from backups.exceptions import BadInput, Refused
from backups.executor.operations import exclusive_key
from backups.jobs.backup_options import backup_parameters
from backups.jobs.cancel import request_cancel
from backups.jobs.increments import refuse_unfit_increment
from backups.jobs.repeat import rerun
from backups.jobs.request import create_backup_job, create_restore_job
from backups.jobs.wake import jobs_to_wake
from backups.models import Instance, Job, Repository
from backups.parameters import BackupParameters, parameters_of
from backups.stages.backup import stages_for
from backups.states import JobStatus
from backups.table_names.choice import parse_choice
from backups.tasks import clear_up, fail_lost_jobs, run_job, wake_waiting_jobs
from backups.transitions.jobs import claim
from tests.backups.conftest import make_repository
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import run_here, take_backup

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_second_backup_of_an_instance_is_refused_at_once(
    orders: Instance, main: Repository
) -> None:
    create_backup_job(orders, wake=False)
    with pytest.raises(Refused, match="a backup of orders-1 is already queued or running"):
        create_backup_job(orders, wake=False)


@pytest.mark.parametrize(
    ("set_to", "asked", "saved"),
    [(False, None, False), (True, None, True), (True, False, False), (False, True, True)],
)
def test_a_job_knows_whether_foreign_tables_are_saved(
    orders: Instance, main: Repository, set_to: bool, asked: bool | None, saved: bool
) -> None:
    orders.engine, orders.save_foreign_tables = "clone", set_to
    job = create_backup_job(orders, save_foreign_tables=asked, wake=False)
    assert job.parameters == {"save_foreign_tables": saved}


OPTIMISTIC = MariadbOptions(optimistic=True, optimistic_seconds=60)


def test_an_optimistic_backup_knows_what_was_asked(orders: Instance, main: Repository) -> None:
    orders.lock_wait_seconds = 5
    orders.engine = "mariadb_backup"
    job = create_backup_job(orders, optimistic=OPTIMISTIC, wake=False)
    asked = {"optimistic": True, "optimistic_seconds": 60, "lock_wait_seconds": 5}
    assert job.parameters == asked


def test_a_clone_is_not_optimistic_and_says_why(orders: Instance, main: Repository) -> None:
    orders.engine = "clone"
    with pytest.raises(BadInput, match="a clone copies all files first and then the pages"):
        create_backup_job(orders, optimistic=OPTIMISTIC, wake=False)


def test_an_engine_that_copies_every_table_saves_none_besides(
    orders: Instance, main: Repository
) -> None:
    with pytest.raises(BadInput, match="no option to save foreign tables"):
        create_backup_job(orders, save_foreign_tables=True, wake=False)


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        ("instance", "orders-1 is disabled"),
        ("repository", "main is disabled"),
    ],
)
def test_what_is_disabled_is_refused(
    orders: Instance, main: Repository, broken: str, error: str
) -> None:
    if broken == "instance":
        Instance.objects.update(enabled=False)
    else:
        Repository.objects.update(enabled=False)
    orders.refresh_from_db()
    main.refresh_from_db()
    with pytest.raises(Refused, match=error):
        create_backup_job(orders, repositories=[main], wake=False)
    assert not Job.objects.exists()


def test_encrypted_and_unencrypted_repositories_do_not_mix(
    orders: Instance, main: Repository, tmp_path: Path
) -> None:
    plain = make_repository("plain", tmp_path / "plain", encrypted=False)
    with pytest.raises(BadInput, match="must all be encrypted or all unencrypted"):
        create_backup_job(orders, repositories=[main, plain], wake=False)


def test_the_repository_must_be_named_unless_there_is_one(
    orders: Instance, key_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="none is enabled"):
        create_backup_job(orders, wake=False)
    first = make_repository("first", tmp_path / "first")
    job = create_backup_job(orders, wake=False)
    assert list(job.repositories.all()) == [first]
    request_cancel(job, actor="anna")
    make_repository("second", tmp_path / "second")
    with pytest.raises(BadInput, match="several are enabled"):
        create_backup_job(orders, wake=False)


def test_a_copy_is_found_by_label_and_repository(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    made = take_backup(orders)
    assert named_copy(made.label) == named_copy(made.label, "main") == made.copies.get()
    with pytest.raises(BadInput, match="has no copy in elsewhere"):
        named_copy(made.label, "elsewhere")
    with pytest.raises(BadInput, match="no backup is called nothing"):
        named_copy("nothing")


def test_a_pending_job_is_cancelled_at_once(orders: Instance, main: Repository) -> None:
    job = create_backup_job(orders, wake=False)
    assert request_cancel(job, actor="anna")
    assert job.status == JobStatus.CANCELLED
    assert not claim(job, worker="w", exclusive_key="k", now=now())
    assert not request_cancel(job, actor="anna")
    last = job.events.last()
    assert last is not None
    assert (last.actor, last.reason) == ("anna", "cancelled by anna before it started")


def test_a_message_delivered_twice_runs_once(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    job = create_backup_job(orders, wake=False)
    run_job(job.pk)
    run_job(job.pk)
    assert engine.copies == 1
    assert Job.objects.get().status == JobStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("seconds_ago", "status", "woken"),
    [
        (29, JobStatus.PENDING, False),
        (31, JobStatus.PENDING, True),
        # By a clock that was set back, or by another host.
        (-3600, JobStatus.PENDING, True),
        (None, JobStatus.PENDING, True),
        (31, JobStatus.RUNNING, False),
        (31, JobStatus.CANCELLED, False),
    ],
)
def test_only_stale_pending_jobs_wait(
    orders: Instance, main: Repository, seconds_ago: int | None, status: JobStatus, woken: bool
) -> None:
    at = None if seconds_ago is None else now() - timedelta(seconds=seconds_ago)
    job = create_backup_job(orders, wake=False)
    Job.objects.filter(pk=job.pk).update(**{"status": status, "woken_at": at})
    assert [waiting.pk for waiting in jobs_to_wake(now() - timedelta(seconds=30))] == [
        job.pk
    ] * woken


def test_an_unreachable_broker_loses_nothing(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    # Nobody listens on the socket the tests' settings name.
    broker = settings.CELERY_BROKER_URL
    assert broker.startswith("redis+socket:///")
    assert not Path(broker.removeprefix("redis+socket://")).exists()
    job = create_backup_job(orders, wake=True)
    assert Job.objects.get().status == JobStatus.PENDING
    Job.objects.update(woken_at=now() - timedelta(minutes=1))
    wake_waiting_jobs()
    # Still away: not lost, and not woken again in the same breath.
    assert Job.objects.get().status == JobStatus.PENDING
    assert jobs_to_wake(now() - timedelta(seconds=30)) == []
    run_job(job.pk)
    assert Job.objects.get().status == JobStatus.SUCCEEDED


def test_the_tick_takes_lost_jobs_and_their_bytes(orders: Instance, main: Repository) -> None:
    job = create_backup_job(orders, wake=False)
    claim(job, worker="gone:1", exclusive_key="k", now=now() - timedelta(minutes=2))
    Job.objects.filter(pk=job.pk).update(label="orders-1@20260302T010000Z-F", leftovers=True)
    fail_lost_jobs()
    clear_up()
    job.refresh_from_db()
    assert (job.status, job.leftovers) == (JobStatus.LOST, False)


def test_two_restores_to_one_place_wait_for_each_other(
    orders: Instance, main: Repository, engine: FakeEngine, tmp_path: Path
) -> None:
    copy = take_backup(orders).copies.get()
    first = create_restore_job(copy, tmp_path / "t", raw=True, wake=False)
    second = create_restore_job(copy, tmp_path / "t", raw=True, wake=False)
    assert claim(first, worker="w", exclusive_key=exclusive_key(first), now=now())
    assert not claim(second, worker="w", exclusive_key=exclusive_key(second), now=now())
    assert Job.objects.get(pk=second.pk).status == JobStatus.PENDING
    Job.objects.filter(pk=first.pk).update(exclusive_key=None)
    assert run_here(second).status == JobStatus.SUCCEEDED


def test_tables_are_chosen_for_partial_backups_only(orders: Instance, main: Repository) -> None:
    orders.engine = "mariadb_backup"
    choice = parse_choice(["shop.*"], ["shop.log"])
    for kind, wanted, error in (
        ("full", choice, "only a partial backup is of chosen tables, not a full one"),
        ("partial", None, "none are named"),
        ("tts", choice, "tts backups are not supported"),
    ):
        with pytest.raises(BadInput, match=error):
            create_backup_job(orders, kind=kind, choice=wanted, wake=False)
    job = create_backup_job(orders, kind="partial", choice=choice, wake=False)
    stored = {"include": ["shop.*"], "exclude": ["shop.log"]}
    assert job.parameters == stored
    asked = parameters_of(job)
    assert isinstance(asked, BackupParameters)
    assert asked.options.choice == choice
    with pytest.raises(BadInput, match="a partial backup cannot be optimistic"):
        backup_parameters(orders, None, choice, MariadbOptions(optimistic=True))


def test_a_partial_clone_saves_other_tables_as_its_instance_does(
    orders: Instance, main: Repository
) -> None:
    orders.engine, orders.save_foreign_tables = "clone", True
    stored = {"include": ["a.b"], "exclude": []}
    for asked, saves in ((None, True), (False, False)):
        found = backup_parameters(orders, asked, parse_choice(["a.b"], []))
        assert found.write() == {"save_foreign_tables": saves, **stored}


def test_an_increment_is_of_a_partial_backup_of_a_mariadb(
    orders: Instance, main: Repository
) -> None:
    choice = parse_choice(["shop.*"], [])
    orders.engine = "mariadb_backup"
    orders.save()
    with pytest.raises(BadInput, match="only a partial backup has the option incremental"):
        create_backup_job(orders, incremental=True, wake=False)
    with pytest.raises(BadInput, match="engine clone takes no increments of partial backups"):
        refuse_unfit_increment("clone", choice)
    job = create_backup_job(orders, kind="partial", choice=choice, incremental=True, wake=False)
    asked = {"include": ["shop.*"], "exclude": [], "incremental": True}
    assert (job.kind, job.parameters) == ("partial", asked)
    names = [stage.name for stage in stages_for(job, BackupParameters.of(job))]
    assert "choose base" in names
    Job.objects.update(status=JobStatus.FAILED)
    job.refresh_from_db()
    again = rerun(job, requested_by=User.objects.create_user("ada"))
    assert again.parameters == asked
    alone = BackupParameters(MariadbOptions(include=("shop.*",)))
    names = [stage.name for stage in stages_for(job, alone)]
    assert "choose base" not in names
