"""listbackups, showbackup, rebuildcatalog, rotatekeys, checkkeys: codes, words and JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.history.base import ObservedRun, RunState
from backups.models import Backup, BackupCopy, Instance, Job, Repository
from backups.observed.rows import store_run
from backups.states import BackupKind, CopyStatus
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import take_backup
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def label(orders: Instance, main: Repository, engine: FakeEngine) -> str:
    return take_backup(orders).label


def test_listbackups(label: str) -> None:
    ended = run_command("listbackups", "--json")
    assert ended.exit_code == 0
    (row,) = ended.json()["backups"]
    assert (row["label"], row["instance"], row["repositories"]) == (label, "orders-1", ["main"])
    assert (row["proof"], row["verified_at"]) == ("not proven yet", None)
    assert label in run_command("listbackups", "orders-1").stdout


def test_listbackups_of_nothing(orders: Instance) -> None:
    assert run_command("listbackups", "--json").json() == {"backups": []}
    assert "no backups yet" in run_command("listbackups").stdout
    assert run_command("listbackups", "order-1").exit_code == 2


def test_purged_ones_are_shown_when_requested(label: str) -> None:
    BackupCopy.objects.update(status=CopyStatus.PURGED)
    assert run_command("listbackups", "--json").json() == {"backups": []}
    assert "purged" in run_command("listbackups", "--all").stdout


def test_an_observed_one_is_listed_without_size_or_proof(orders: Instance) -> None:
    moment = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
    run = ObservedRun("u-1", RunState.SUCCEEDED, BackupKind.FULL, moment, moment)
    store_run(orders, run, moment)
    shown = run_command("listbackups").stdout
    assert "elsewhere" in shown
    assert "observed: cannot be proven" in shown
    assert run_command("listbackups", "--json").json()["backups"][0]["stored_bytes"] is None


def test_showbackup(label: str) -> None:
    ended = run_command("showbackup", label, "--json")
    fields = ended.json()
    assert (ended.exit_code, fields["label"]) == (0, label)
    assert (fields["lock_time"], fields["to_lsn"]) == (0.04, 4711)
    assert [(t["schema"], t["name"], t["files"]) for t in fields["tables"]] == [
        ("shop", "orders", 2),
        ("shop", "visits", 1),
    ]
    shown = run_command("showbackup", label).stdout
    assert "2 other files" in shown
    assert "binlog.000007" in shown


def test_showbackup_that_cannot_be_read(label: str, main: Repository, key_file: Path) -> None:
    assert run_command("showbackup", "nothing").exit_code == 2
    key_file.rename(key_file.with_name("away"))
    ended = run_command("showbackup", label)
    assert ended.exit_code == 1
    assert "key file" in ended.stderr


def test_rebuildcatalog(label: str) -> None:
    Job.objects.all().delete()
    BackupCopy.objects.all().delete()
    Backup.objects.all().delete()
    ended = run_command("rebuildcatalog", "main", "--json")
    assert ended.exit_code == 0
    assert ended.json() == {
        "repository": "main",
        "added": [label],
        "known": [],
        "unreadable": [],
        "binlog_pieces_added": 0,
        "binlog_pieces_unreadable": [],
    }
    again = run_command("rebuildcatalog", "main")
    assert "1 backup in main: 0 added, 0 unreadable" in again.stdout


def test_rebuildcatalog_with_damage(label: str, main: Repository) -> None:
    (manifest,) = Path(main.path).rglob("manifest.json.zst")
    manifest.write_bytes(manifest.read_bytes()[:-1])
    ended = run_command("rebuildcatalog", "main", "--json")
    assert ended.exit_code == 1
    assert "manifest is damaged" in ended.json()["unreadable"][0]["error"]


def test_rebuildcatalog_of_no_repository(label: str, main: Repository) -> None:
    assert run_command("rebuildcatalog", "elsewhere").exit_code == 2
    (Path(main.path) / "mooring.json").unlink()
    assert run_command("rebuildcatalog", "main").exit_code == 3


def test_rotatekeys_and_checkkeys(label: str, key_file: Path) -> None:
    old = BackupCopy.objects.get().key_id
    ended = run_command("rotatekeys", "--json")
    fields = ended.json()
    assert (ended.exit_code, fields["passwords"]) == (0, 1)
    assert fields["key"] != old
    assert [(c["label"], c["key_id"], c["changed"]) for c in fields["copies"]] == [
        (label, fields["key"], True)
    ]
    again = run_command("rotatekeys", "--no-new-key", "--json").json()
    assert (again["key"], again["copies"][0]["changed"]) == (fields["key"], False)
    checked = run_command("checkkeys", "--json")
    assert (checked.exit_code, checked.json()["keys"]) == (0, [fields["key"], old])
    assert checked.json()["copies"][0]["error"] == ""
    assert key_file.stat().st_mode & 0o777 == 0o600


def test_no_key_is_ever_printed(label: str, key_file: Path) -> None:
    secrets = [line.split()[1] for line in key_file.read_text().splitlines()]
    for words in (["rotatekeys"], ["rotatekeys", "--json"], ["checkkeys"]):
        ended = run_command(words[0], *words[1:])
        assert not any(secret in ended.stdout + ended.stderr for secret in secrets)


def test_keys_in_the_environment_are_rotated_there(label: str, settings: Settings) -> None:
    settings.BACKUP_KEY_TEXT = "x"
    ended = run_command("rotatekeys")
    assert ended.exit_code == 2
    assert "--no-new-key" in ended.stderr


def test_checkkeys_with_a_wrong_key(label: str, key_file: Path) -> None:
    key_file.write_text("mooring-key-1 " + "QUFB" * 10 + "QUE=\n")
    ended = run_command("checkkeys", "--json")
    assert ended.exit_code == 1
    assert "is not in the keyring" in ended.json()["copies"][0]["error"]
    assert "0 of 1 data keys open" in run_command("checkkeys").stdout
    key_file.unlink()
    assert run_command("checkkeys").exit_code == 1
