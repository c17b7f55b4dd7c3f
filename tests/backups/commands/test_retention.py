"""What the commands of retention say: what would go, what is held, and why the rest is kept."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.utils.timezone import now

from backups.models import Activity, Backup, BackupSchedule, Instance, Job, Repository
from backups.states import CopyStatus, JobStatus, Operation
from tests.backups.fake_engine import FakeEngine
from tests.backups.planning import make_schedule
from tests.backups.taking import made_by_schedule, prove, purge, run_here, take_backup
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)
DAY = timedelta(days=1)


@pytest.fixture
def nightly(orders: Instance, main: Repository, engine: FakeEngine) -> BackupSchedule:
    """Three nightly backups, and one that a person took; a week and the newest are kept."""
    schedule = make_schedule(orders, keep_for=7 * DAY, keep_least=1)
    for age in (30, 8, 1):
        with time_machine.travel(now() - age * DAY):
            made_by_schedule(schedule, take_backup(orders))
    prove(Backup.objects.latest("ended_at").copies.get(), "verify", passed=True)
    with time_machine.travel(now() - 90 * DAY):
        take_backup(orders)
    return schedule


def labels() -> list[str]:
    return list(Backup.objects.order_by("-ended_at").values_list("label", flat=True))


def test_a_dry_run_says_of_every_copy_whether_it_would_go(nightly: BackupSchedule) -> None:
    found = run_command("purgebackups", "--dry-run", "--json").json()
    assert [copy["label"] for copy in found["copies"]] == labels()
    assert [copy["verdict"] for copy in found["copies"]] == ["kept", "kept", "expired", "kept"]
    assert found["copies"][3]["reasons"] == ["repository main keeps everything"]
    size = found["copies"][2]["stored_bytes"]
    assert (found["would_purge"], found["would_free_bytes"]) == (1, size)
    shown = run_command("purgebackups", "--dry-run", "--instance", "orders-1").stdout
    assert "1 of 4 copies would be purged" in shown
    assert "schedule nightly keeps 7 d and at least 1: this one is 30 d 0 h old" in shown
    assert not Job.objects.filter(operation=Operation.PURGE).exists()


def test_without_it_the_purges_are_requested(nightly: BackupSchedule) -> None:
    assert run_command("purgebackups", "--json").json() == {"purges": 1}
    job = Job.objects.get(operation=Operation.PURGE)
    assert (job.backup and job.backup.label) == labels()[2]
    assert run_here(job).status == JobStatus.SUCCEEDED
    assert run_command("purgebackups", "--instance", "orders-1").exit_code == 2


def test_the_repository_decides_about_what_no_schedule_has_taken(
    nightly: BackupSchedule, main: Repository, orders: Instance
) -> None:
    Repository.objects.update(keep_for=30 * DAY, keep_least=1)
    with time_machine.travel(now() - 31 * DAY):
        take_backup(orders)
    assert run_command("purgebackups", "--json").json() == {"purges": 2}
    requested = Job.objects.filter(operation=Operation.PURGE)
    going = set(requested.values_list("backup__label", flat=True))
    assert going == {labels()[4], labels()[2]}
    # Nothing more after a failed backup.
    requested.delete()
    Job.objects.create(operation="backup", instance=orders, kind="full", status="failed")
    found = run_command("purgebackups", "--dry-run", "--json").json()["copies"]
    assert found[4]["reasons"] == ["nothing is deleted while the newest run is failed"]


def test_lists_say_how_long_a_backup_is_kept(nightly: BackupSchedule) -> None:
    shown = run_command("listbackups").stdout
    assert "kept: in the recovery window of 7 d" in shown
    assert "expired" in shown
    found = run_command("listbackups", "--json").json()["backups"]
    said = [backup["retention"][0]["verdict"] for backup in found]
    assert said == ["kept", "kept", "expired", "kept"]
    # The one before restores the beginning of the week until this one does.
    until = Backup.objects.get(label=labels()[0]).ended_at + 7 * DAY
    assert found[1]["retention"][0]["expires_at"] == until.isoformat()
    assert "kept until" in run_command("showbackup", labels()[1]).stdout


def test_a_hold_keeps_a_backup_until_it_ends_by_itself(nightly: BackupSchedule) -> None:
    old = labels()[2]
    until = f"{now() + 10 * DAY:%Y-%m-%dT%H:%M}"
    run_command("holdbackup", old, "--until", until, "--reason", "audit 2026")
    held = Backup.objects.get(label=old)
    assert f"held by {held.held_by} until" in run_command("showbackup", old).stdout
    assert run_command("purgebackups", "--json").json() == {"purges": 0}
    job = purge(held.copies.get(), force=True)
    assert (job.status, job.hint) == (JobStatus.REFUSED, "Release it first.")
    # Or retention would wait a day after a purge that failed.
    job.delete()
    with time_machine.travel(now() + 11 * DAY, tick=False):
        assert run_command("purgebackups", "--dry-run", "--json").json()["would_purge"] == 2
    assert run_command("holdbackup", old, "--until", "tomorrow", "--reason", "x").exit_code == 2
    shorter = run_command("holdbackup", old, "--until", f"{now() + DAY:%Y-%m-%d}", "--reason", "x")
    assert shorter.exit_code == 3
    run_command("releasebackup", old)
    assert run_command("releasebackup", old).exit_code == 3
    assert run_command("purgebackups", "--json").json() == {"purges": 1}
    verbs = Activity.objects.filter(verb__in=["held", "released"]).order_by("id")
    assert list(verbs.values_list("verb", "name")) == [("held", old), ("released", old)]


def test_the_last_proven_backup_is_not_purged_by_hand_without_force(
    nightly: BackupSchedule,
) -> None:
    copy = Backup.objects.latest("ended_at").copies.get()
    job = purge(copy)
    assert job.status == JobStatus.REFUSED
    assert job.error.endswith("is the last proven backup of orders-1")
    assert purge(copy, force=True).status == JobStatus.SUCCEEDED
    copy.refresh_from_db()
    assert copy.status == CopyStatus.PURGED


@pytest.fixture
def marked(nightly: BackupSchedule) -> Backup:
    """The oldest nightly backup, marked for a day."""
    Repository.objects.update(purge_delay=DAY)
    assert run_command("purgebackups", "--json").json() == {"purges": 1}
    job = run_here(Job.objects.get(operation=Operation.PURGE))
    assert job.backup is not None
    return job.backup


def test_what_is_marked_says_so_everywhere_and_is_kept_by_a_command(marked: Backup) -> None:
    shown = run_command("purgebackups", "--dry-run").stdout
    assert "0 of 4 copies would be purged" in shown
    assert "1 are marked for deletion already: see listdeletions" in shown
    (verdict,) = [
        each["retention"][0]
        for each in run_command("listbackups", "--json").json()["backups"]
        if each["label"] == marked.label
    ]
    assert verdict["verdict"] == "marked"
    assert verdict["deleted_from"]
    assert "marked: deleted from" in run_command("listbackups").stdout
    shown = run_command("showbackup", marked.label, "--json").json()["retention"]
    assert "marked by schedule nightly: schedule nightly keeps 7 d" in shown
    (row,) = run_command("listdeletions", "--json", "--status", "marked").json()["deletions"]
    assert (row["label"], row["requested_by"]) == (marked.label, "schedule nightly")
    assert row["remains_marked"]["restorable"] == 3
    assert run_command("keepbackup", marked.label, "--json").json()["label"] == marked.label
    assert run_command("keepbackup", marked.label).exit_code == 3
    (row,) = run_command("listdeletions", "--json").json()["deletions"]
    assert (row["status"], row["end_reason"]) == ("kept", "its deletion was undone")
    assert "held by" in run_command("showbackup", marked.label, "--json").json()["retention"]


def test_the_list_of_deletions_reads_well_and_may_be_empty(marked: Backup) -> None:
    shown = " ".join(run_command("listdeletions", "--repository", "main").stdout.split())
    assert "marked for deletion" in shown
    assert run_command("listdeletions", "--instance", "nobody").exit_code == 2
    empty = run_command("listdeletions", "--status", "deleted").stdout
    assert "nothing is marked for deletion, or was deleted" in empty


def test_deleting_at_once_needs_a_reason(marked: Backup) -> None:
    words = ("purgebackup", marked.label, "--foreground")
    assert "is marked already: it is deleted from" in run_command(*words, "--json").json()["error"]
    assert run_command(*words, "--now").exit_code == 2
    assert run_command(*words, "--now", "--reason", "the disk is full").exit_code == 0
    (row,) = run_command("listdeletions", "--json").json()["deletions"]
    assert (row["status"], row["hastened_reason"]) == ("deleted", "the disk is full")
    assert row["remains_deleted"]["restorable"] == 3
