"""What cannot be undone waits for a second admin, who sees what it was requested on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.contrib.auth.models import User
from django.utils.timezone import now

from backups.exceptions import Refused
from backups.health import clock_jump
from backups.jobs.request import create_copy_job
from backups.models import Activity, Approval, BackupCopy, Deletion, Instance, Job, Repository
from backups.models.activity import Verb
from backups.parameters import PurgeParameters
from backups.repositories.directory import DirectoryStore
from backups.retention.expiry import expire_backups
from backups.retention.second_admin import (
    EXPIRES_AFTER,
    asked_in_words,
    confirm_approval,
    needs_second_admin,
    reject_approval,
    request_purge,
    request_settings,
)
from backups.states import ApprovalStatus, CopyStatus, JobStatus, Operation
from tests.backups.conftest import make_repository
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import prove, purge, run_here, take_backup

pytestmark = pytest.mark.django_db(transaction=True)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AT_ONCE = PurgeParameters("the disk is full", at_once=True)
FORCED = PurgeParameters("the instance is gone", force=True)


@pytest.fixture
def main(db: None, key_file: Path, tmp_path: Path) -> Repository:
    repository = make_repository("main", tmp_path / "main", purge_delay=3 * DAY)
    repository.two_admins = True
    repository.save()
    return repository


@pytest.fixture
def copy(orders: Instance, main: Repository, engine: FakeEngine) -> BackupCopy:
    """The older of two."""
    with time_machine.travel(now() - DAY):
        older = take_backup(orders).copies.get()
    take_backup(orders)
    return older


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def adam(db: None) -> User:
    return User.objects.create_user("adam")


@pytest.mark.parametrize(
    ("asked", "delay", "needed"),
    [
        (AT_ONCE, DAY, True),
        (FORCED, DAY, True),
        (PurgeParameters("old"), DAY, False),
        (PurgeParameters("old"), timedelta(0), True),
        (PurgeParameters("old", retention=True), timedelta(0), False),
        (PurgeParameters("old", deletion=1), DAY, False),
        (PurgeParameters("old", force=True, deletion=1, approval=1), DAY, True),
    ],
)
def test_what_a_person_cannot_undo_needs_two(
    copy: BackupCopy, asked: PurgeParameters, delay: timedelta, needed: bool
) -> None:
    copy.repository.purge_delay = delay
    assert needs_second_admin(copy, asked) is needed
    copy.repository.two_admins = False
    assert not needs_second_admin(copy, asked)


def test_nothing_goes_without_the_second_admin(copy: BackupCopy) -> None:
    for words in ({"force": True}, {}):
        job = purge(copy, **words)
        assert job.status == JobStatus.REFUSED
        assert "needs two admins" in job.error
    # What can be undone needs one.
    assert purge(copy, at_once=False).status == JobStatus.SUCCEEDED
    copy.refresh_from_db()
    assert copy.status == CopyStatus.STORED


def test_another_admin_confirms_and_the_purge_is_carried_out(
    copy: BackupCopy, ada: User, adam: User
) -> None:
    approval = request_purge(copy, AT_ONCE, ada, now())
    assert asked_in_words(approval) == "purge at once; it is the last proven backup"
    with pytest.raises(Refused, match="who requested it cannot confirm it"):
        confirm_approval(approval, ada, now())
    job = confirm_approval(approval, adam, now())
    assert job is not None
    assert (run_here(job).status, job.requested_by) == (JobStatus.SUCCEEDED, ada)
    copy.refresh_from_db()
    assert copy.status == CopyStatus.PURGED
    approval.refresh_from_db()
    assert (approval.status, approval.decided_by) == (ApprovalStatus.CONFIRMED, "adam")
    verbs = set(Activity.objects.filter(kind="approval").values_list("verb", flat=True))
    assert verbs == {Verb.REQUESTED, Verb.CONFIRMED}
    for decide in (confirm_approval, reject_approval):
        with pytest.raises(Refused, match="the request is confirmed"):
            decide(approval, adam, now())


@pytest.mark.parametrize("decision", ["reject", "expire", "again"])
def test_one_that_was_not_confirmed_carries_out_nothing(
    copy: BackupCopy, ada: User, adam: User, decision: str
) -> None:
    approval = request_purge(copy, AT_ONCE, ada, now())
    at = now()
    if decision == "reject":
        reject_approval(approval, adam, now())
    elif decision == "expire":
        at += EXPIRES_AFTER + HOUR
    else:
        request_purge(copy, FORCED, ada, now())
        approval.refresh_from_db()
    error = {"reject": "rejected", "expire": "expired", "again": "outdated"}[decision]
    with pytest.raises(Refused, match=error):
        confirm_approval(approval, adam, at)
    assert not Job.objects.filter(operation=Operation.PURGE).exists()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_where_the_facts_have_become_worse_it_must_be_requested_again(
    copy: BackupCopy, ada: User, adam: User, moment: str
) -> None:
    """Another backup is lost: it is the last restorable one now."""
    approval = request_purge(copy, FORCED, ada, now())
    job = confirm_approval(approval, adam, now()) if moment == "after" else None
    BackupCopy.objects.exclude(pk=copy.pk).update(fault="missing")
    if job is None:
        with pytest.raises(Refused, match=r"another situation .*: last restorable"):
            confirm_approval(approval, adam, now())
        approval.refresh_from_db()
        assert approval.status == ApprovalStatus.OUTDATED
    else:
        assert run_here(job).status == JobStatus.REFUSED
    copy.refresh_from_db()
    assert copy.status == CopyStatus.STORED


def test_a_forced_mark_is_checked_against_its_request_when_it_is_due(
    copy: BackupCopy, ada: User, adam: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DirectoryStore, "clock", lambda self: now())
    monkeypatch.setattr(clock_jump, "database_clock", now)
    job = confirm_approval(request_purge(copy, FORCED, ada, now()), adam, now())
    assert job is not None
    assert run_here(job).status == JobStatus.SUCCEEDED
    BackupCopy.objects.exclude(pk=copy.pk).update(fault="missing")
    Deletion.objects.update(seen_at=now() + 4 * DAY)
    with time_machine.travel(now() + 4 * DAY):
        assert expire_backups(now()) == 1
        due = run_here(Job.objects.filter(operation=Operation.PURGE).latest("id"))
    assert (due.status, "last restorable" in due.error) == (JobStatus.REFUSED, True)


def test_a_better_situation_stops_nothing(copy: BackupCopy, ada: User, adam: User) -> None:
    approval = request_purge(copy, AT_ONCE, ada, now())
    prove(BackupCopy.objects.exclude(pk=copy.pk).get(), "verify", passed=True)
    assert confirm_approval(approval, adam, now()) is not None


def test_only_what_was_confirmed_is_carried_out(copy: BackupCopy, ada: User, adam: User) -> None:
    approval = request_purge(copy, FORCED, ada, now())
    confirm_approval(approval, adam, now())
    more = PurgeParameters("more", force=True, at_once=True, approval=approval.pk)
    job = run_here(create_copy_job(Operation.PURGE, copy, parameters=more, wake=False))
    assert (job.status, "another purge" in job.error) == (JobStatus.REFUSED, True)


def test_weaker_settings_need_two_as_well(main: Repository, ada: User, adam: User) -> None:
    changes = {"purge_delay_seconds": 3600.0, "two_admins": False}
    approval = request_settings(main, changes, ada, now())
    words = "a purge delay of 1 h 00 min instead of 3 d 0 h; deleting needs one admin only"
    assert asked_in_words(approval) == words
    assert confirm_approval(approval, adam, now()) is None
    main.refresh_from_db()
    assert (main.purge_delay, main.two_admins) == (HOUR, False)
    assert Approval.objects.get().decided_at is not None
