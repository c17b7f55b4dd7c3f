"""What commands and jobs leave behind of who did what."""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path

import pytest

from backups.activity import Actor, acting_as, command_actor, current_actor, record
from backups.models import Activity, Instance, Repository
from backups.models.activity import Verb
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import purge, restore, take_backup
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)

COMMANDS = Path(__file__).resolve().parents[2] / "backups" / "management" / "commands"
ME = pwd.getpwuid(os.getuid()).pw_name
# They only look.
READING = {
    "checkcopies", "checkkeys", "doctor", "listbackups", "listbinlogs",
    "listdeletions", "listhooks", "listschedules", "listtransactions", "showbackup",
    "showdefinition", "showschedule", "verifyevidence",
    # A process; what is asked of it was recorded then.
    "receivebinlogs",
}  # fmt: skip


def kept() -> list[tuple[str, str, str]]:
    """Return verb, actor and name, oldest first."""
    return list(Activity.objects.order_by("id").values_list("verb", "actor", "name"))


def test_every_command_that_changes_something_leaves_a_row() -> None:
    # What a page confirms as well records it itself.
    ways = re.compile(
        r"\b(record|create_\w+_job|request_cancel|confirm_\w+|accept_changed|hold_backup"
        r"|release_backup|keep_backup|recover_repository|expire_backups|enable_archive|give_up"
        r"|set_limit)\("
    )
    silent = {
        path.stem
        for path in COMMANDS.glob("[!_]*.py")
        if not ways.search(path.read_text(encoding="utf-8"))
    }
    assert silent == READING


def test_a_command_is_its_users_of_the_system(tmp_path: Path) -> None:
    run_command("addrepository", "main", "--path", str(tmp_path / "main"), "--max-jobs", "3")
    row = Activity.objects.get()
    assert (row.verb, row.actor, row.via, row.name) == (Verb.ADDED, ME, "command line", "main")
    assert row.details == {"path": str(tmp_path / "main"), "adopted": False}
    assert Repository.objects.get().max_jobs == 3


def test_what_a_person_claims_to_be_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USER", "LOGNAME", "USERNAME", "SUDO_USER"):
        monkeypatch.setenv(name, "somebody-else")
    assert command_actor() == Actor(ME, "command line")


def test_a_password_of_an_instance_is_not_in_its_row(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret word")
    words = ["--no-check", "--password-file", str(file), "--group", "shops"]
    assert run_command("addinstance", "orders-9", *words).exit_code == 0
    row = Activity.objects.get()
    assert (row.verb, row.kind, row.instance_name) == (Verb.ADDED, "instance", "orders-9")
    assert "s3cret" not in str(row.__dict__)


def test_a_key_that_is_made_and_rotated_is_named_and_not_shown(key_file: Path) -> None:
    key_file.unlink()
    run_command("createbackupkey")
    run_command("rotatekeys")
    assert [verb for verb, _, _ in kept()] == [Verb.ADDED, Verb.ROTATED]
    recorded = str(list(Activity.objects.values_list("details", flat=True)))
    for line in key_file.read_text().splitlines():
        assert line.split()[-1] not in recorded


def test_a_restore_is_recorded_when_requested_and_when_it_ended(
    orders: Instance, main: Repository, engine: FakeEngine, tmp_path: Path
) -> None:
    made = take_backup(orders)
    Activity.objects.all().delete()
    with acting_as(lambda: Actor("anna", "site", "192.0.2.1")):
        job = restore(made.copies.get(), tmp_path / "restored")
    assert kept() == [
        (Verb.REQUESTED, "anna", f"restore {job.pk}"),
        (Verb.RESTORED, "anna", f"restore {job.pk}"),
    ]
    ended = Activity.objects.get(verb=Verb.RESTORED)
    assert ended.details == {
        "outcome": "succeeded",
        "backup": made.label,
        "target": str(tmp_path / "restored"),
    }
    assert ended.instance_name == "orders-1"


def test_a_restore_that_failed_says_so(
    orders: Instance, main: Repository, engine: FakeEngine, tmp_path: Path
) -> None:
    made = take_backup(orders)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "ibdata1").touch()
    restore(made.copies.get(), tmp_path / "full")
    details = Activity.objects.get(verb=Verb.RESTORED).details
    assert details["outcome"] == "refused"
    assert details["error"].endswith("is not empty")


def test_a_purge_is_kept_with_its_reason(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    copy = take_backup(orders).copies.get()
    Activity.objects.all().delete()
    purge(copy, force=True)
    asked, ended = Activity.objects.order_by("id")
    assert (asked.verb, asked.details["reason"]) == (Verb.REQUESTED, "a test")
    assert (ended.verb, ended.details["outcome"]) == (Verb.PURGED, "succeeded")


def test_who_acts_is_forgotten_after_the_request() -> None:
    with acting_as(lambda: Actor("anna", "site")):
        assert current_actor().name == "anna"
    assert current_actor() == Actor("mooring", "mooring")


def test_long_names_are_cut_and_not_refused() -> None:
    record(Verb.ADDED, Instance(name="x" * 64), actor=Actor("a" * 500, "site", "f" * 90))
    row = Activity.objects.get()
    assert (len(row.actor), len(row.address), row.number) == (150, 45, None)
