"""A backup goes to several repositories: one that fails leaves the others good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.utils.timezone import now

from backups.checks import failed
from backups.exceptions import Refused, RepositoryError
from backups.executor.leftovers import lose_expired, remove_leftovers
from backups.jobs.request import create_backup_job
from backups.models import Backup, BackupCopy, Instance, Job, Repository, WantedCopy
from backups.models.wanted_copy import WantCause
from backups.parameters import BackupParameters
from backups.preflight.checks import decide_checks
from backups.preflight.survey import Problem, RepositorySurvey
from backups.repositories.directory import DirectoryStore, DirectoryUpload
from backups.running.run import Run
from backups.stages.backup.unfit import checks_of_others, leave_unfit
from backups.stages.backup.work import backup_work
from backups.states import JobStatus
from backups.transitions.jobs import claim
from tests.backups.archive.stores import contents_of
from tests.backups.conftest import make_repository
from tests.backups.fake_engine import FakeEngine, FakeOptions
from tests.backups.preflight.test_checks import MAIN, SOUND
from tests.backups.taking import restore, run_here, stored_files
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)
Spoil = Callable[[pytest.MonkeyPatch, str], None]


@pytest.fixture
def offsite(main: Repository, tmp_path: Path) -> Repository:
    return make_repository("offsite", tmp_path / "offsite")


def take_job(instance: Instance, *repositories: Repository, kind: str = "full") -> Job:
    asked = create_backup_job(instance, kind=kind, repositories=repositories, wake=False)
    return run_here(asked)


def failing(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, place: str, names: str = ""
) -> None:
    """Let a method fail where it is about a path below ``place`` with ``names`` in it."""
    method = getattr(owner, name)

    def fail(self: Any, *args: Any, **options: Any) -> Any:
        path = getattr(self, "_path", None) if owner is DirectoryUpload else self.root
        text = f"{path}/{args[0] if args and isinstance(args[0], str) else ''}"
        if place in text and names in text:
            raise RepositoryError(f"{place} is gone: Input/output error", hint="Look at the disk.")
        return method(self, *args, **options)

    monkeypatch.setattr(owner, name, fail)


SPOILS: dict[str, Spoil] = {
    "when its label is looked for": lambda patch, at: failing(patch, DirectoryStore, "holds", at),
    "at the first pack": lambda patch, at: failing(patch, DirectoryStore, "create", at, "pack"),
    "in a pack": lambda patch, at: failing(patch, DirectoryUpload, "write", at, "pack"),
    "at a commit": lambda patch, at: failing(patch, DirectoryUpload, "commit", at, "pack"),
    "at its manifest": lambda patch, at: failing(patch, DirectoryUpload, "commit", at, "manifest"),
    "when it is read back": lambda patch, at: failing(patch, DirectoryStore, "read", at, "pack"),
}


@pytest.mark.parametrize("when", SPOILS)
def test_one_that_fails_leaves_the_other_good(
    orders: Instance,
    main: Repository,
    offsite: Repository,
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    when: str,
) -> None:
    with monkeypatch.context() as patch:
        SPOILS[when](patch, offsite.path)
        job = take_job(orders, main, offsite)
    assert (job.status, job.error) == (JobStatus.SUCCEEDED, "")
    assert job.problems.startswith("copy in offsite failed: ")
    assert "Input/output error" in job.problems
    copy = BackupCopy.objects.get()
    assert copy.repository == main
    # Nothing is left of it, nor to be removed.
    assert stored_files(offsite) == ["mooring.json"]
    assert not job.leftovers
    wanted = WantedCopy.objects.get()
    assert (wanted.repository, wanted.cause, wanted.job) == (offsite, WantCause.FAILED, job)
    assert "Input/output error" in wanted.error
    assert wanted.hint == "Look at the disk."
    assert restore(copy, tmp_path / "out").status == JobStatus.SUCCEEDED
    assert contents_of(tmp_path / "out") == engine.files


def test_if_all_fail_the_job_fails_and_names_each(
    orders: Instance,
    main: Repository,
    offsite: Repository,
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        for place in (offsite, main):
            SPOILS["at a commit"](patch, place.path)
        job = take_job(orders, main, offsite)
    assert job.status == JobStatus.FAILED
    assert "no repository is left: " in job.error
    assert all(f"copy in {name} failed: " in job.error for name in ("main", "offsite"))
    assert job.hint == "Look at the disk."
    assert stored_files(main) == stored_files(offsite) == ["mooring.json"]
    assert not Backup.objects.exists()
    assert not WantedCopy.objects.exists()


def test_the_only_one_that_fails_is_reported_as_before(
    orders: Instance, main: Repository, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        SPOILS["at a commit"](patch, main.path)
        job = take_job(orders, main)
    assert job.error == f"copy failed: {main.path} is gone: Input/output error"


def test_what_cannot_be_removed_now_is_removed_by_the_tick(
    orders: Instance,
    main: Repository,
    offsite: Repository,
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        SPOILS["at its manifest"](patch, offsite.path)
        failing(patch, DirectoryStore, "remove_tree", offsite.path)
        job = take_job(orders, main, offsite)
        assert (job.status, job.leftovers) == (JobStatus.SUCCEEDED, True)
        assert remove_leftovers() == 0
    before = stored_files(main)
    assert len(stored_files(offsite)) > 1
    assert remove_leftovers() == 1
    assert stored_files(offsite) == ["mooring.json"]
    assert stored_files(main) == before


def test_an_increment_goes_where_its_base_is_and_the_other_wants_a_copy(
    orders: Instance,
    main: Repository,
    offsite: Repository,
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    with monkeypatch.context() as patch:
        SPOILS["at a commit"](patch, offsite.path)
        take_job(orders, main, offsite)
    job = take_job(orders, main, offsite, kind="incremental")
    link = Backup.objects.get(made_by=job)
    assert (link.kind, link.copies.get().repository) == ("incremental", main)
    assert job.problems == (
        f"copy in offsite is missing: {link.base}, which it is based on, is not stored there"
    )
    wanted = link.wanted_copies.get()
    assert (wanted.repository, wanted.cause) == (offsite, WantCause.NO_CHAIN)
    assert not job.leftovers
    assert restore(link.copies.get(), tmp_path / "out").status == JobStatus.SUCCEEDED


def test_a_base_that_is_damaged_in_one_of_them_ends_the_chain(
    orders: Instance, main: Repository, offsite: Repository, engine: FakeEngine
) -> None:
    take_job(orders, main, offsite)
    BackupCopy.objects.filter(repository=offsite).update(fault="missing")
    job = take_job(orders, main, offsite, kind="incremental")
    made = Backup.objects.get(made_by=job)
    assert (made.kind, made.copies.count(), job.problems) == ("full", 2, "")
    assert "cannot be read in offsite" in job.kind_reason


def test_a_repository_that_holds_the_base_and_fails_ends_nothing(
    orders: Instance,
    main: Repository,
    offsite: Repository,
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take_job(orders, main, offsite)
    # The first in order, whose table of the base is read: it cannot be read from the first pack on.
    with monkeypatch.context() as patch:
        failing(patch, DirectoryStore, "identity", main.path)
        job = take_job(orders, main, offsite, kind="incremental")
    made = Backup.objects.get(made_by=job)
    assert (made.kind, made.copies.get().repository) == ("incremental", offsite)
    assert job.problems.startswith("copy in main failed: ")


def test_a_lost_job_leaves_what_is_whole_and_wants_the_rest(
    orders: Instance,
    main: Repository,
    offsite: Repository,
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        SPOILS["at a commit"](patch, offsite.path)
        # As after a kill -9 right before it is registered.
        patch.setattr("backups.executor.execute._clean_up", lambda *_: None)
        patch.setattr("backups.executor.execute._settle", lambda *_: None)
        patch.setattr("backups.stages.backup.register.register_backup", killed)
        job = take_job(orders, main, offsite)
    Job.objects.filter(pk=job.pk).update(lease_expires_at=now())
    assert lose_expired(now()) == 1
    assert remove_leftovers() == 1
    assert BackupCopy.objects.get().repository == main
    assert WantedCopy.objects.get().repository == offsite
    assert stored_files(offsite) == ["mooring.json"]


def killed(*_: object, **__: object) -> Backup:
    raise MemoryError


def test_the_command_says_so(
    orders: Instance,
    main: Repository,
    offsite: Repository,
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = ("takebackup", "orders-1", "--repository", "main", "--repository", "offsite")
    with monkeypatch.context() as patch:
        SPOILS["in a pack"](patch, offsite.path)
        ended = run_command(*asked, "--foreground", "--json")
    assert (ended.exit_code, ended.json()["status"]) == (4, "succeeded")
    assert ended.json()["problems"][0].startswith("copy in offsite failed: ")
    shown = run_command("showbackup", ended.json()["label"], "--json").json()
    assert shown["missing_copies"][0].startswith("copy in offsite failed: ")


def test_a_repository_that_is_unfit_before_is_left(
    orders: Instance, main: Repository, offsite: Repository
) -> None:
    job = create_backup_job(orders, repositories=[main, offsite], wake=False)
    assert claim(job, worker="w", exclusive_key="k", now=now())
    work = backup_work(job, BackupParameters(options=FakeOptions()))
    gone = RepositorySurvey("offsite", True, "x", problem=Problem("no such disk", "Mount it."))
    survey = replace(SOUND, repositories=(MAIN, gone))
    checks = decide_checks(survey)
    assert [check.name for check in failed(checks)] == ["repository offsite"]
    assert failed(checks_of_others(survey, checks)) == []
    leave_unfit(Run(job), work, survey)
    assert work.repositories == [main]
    assert work.problems == "copy in offsite failed: repository offsite: no such disk"
    # Nothing was written there.
    assert work.with_parts == []
    with pytest.raises(Refused, match=r"is left: copy in offsite failed: .*; copy in"):
        leave_unfit(Run(job), work, replace(survey, repositories=(replace(gone, name="main"),)))


def test_a_lost_job_is_lost_whatever_its_problems() -> None:
    ended = {status: Job(status=status, problems="x").exit_state for status in JobStatus}
    assert ended[JobStatus.SUCCEEDED] == "with_problems"
    assert ended[JobStatus.LOST] == "lost"
    assert Job(status=JobStatus.SUCCEEDED).exit_state == "succeeded"
