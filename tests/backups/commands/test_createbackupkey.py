"""Making the backup key, and never unmaking one."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.archive.keys import load_keyring
from tests.commands import run_command

pytestmark = pytest.mark.django_db


@pytest.fixture
def key_file(tmp_path: Path, settings: Settings) -> Path:
    settings.BACKUP_KEY_TEXT = ""
    settings.BACKUP_KEY_FILE = tmp_path / "keys" / "backup.key"
    return tmp_path / "keys" / "backup.key"


def test_it_makes_a_key_only_its_owner_can_read(key_file: Path) -> None:
    ended = run_command("createbackupkey", "--json")
    assert ended.exit_code == 0
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert ended.json() == {
        "key_id": load_keyring(path=key_file).current.id,
        "source": str(key_file),
        "created": True,
    }


def test_it_says_that_the_key_must_be_kept_but_never_the_key(key_file: Path) -> None:
    ended = run_command("createbackupkey")
    assert "backups encrypted with it can never be opened" in ended.stdout
    assert key_file.read_text().split()[1] not in ended.stdout


def test_it_never_replaces_a_key(key_file: Path) -> None:
    run_command("createbackupkey")
    before = key_file.read_bytes()
    ended = run_command("createbackupkey")
    assert ended.exit_code == 2
    assert "exists" in ended.stderr
    assert key_file.read_bytes() == before


def test_if_missing_leaves_the_key_alone(key_file: Path) -> None:
    made = run_command("createbackupkey", "--if-missing", "--json").json()
    kept = run_command("createbackupkey", "--if-missing", "--json").json()
    assert (made["created"], kept["created"]) == (True, False)
    assert made["key_id"] == kept["key_id"]


def test_if_missing_still_finds_a_broken_key_file(key_file: Path) -> None:
    key_file.parent.mkdir()
    key_file.touch(mode=0o600)
    ended = run_command("createbackupkey", "--if-missing")
    assert ended.exit_code == 1
    assert "holds no key" in ended.stderr


def test_a_key_in_the_environment_needs_no_file(key_file: Path, settings: Settings) -> None:
    settings.BACKUP_KEY_TEXT = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
    assert run_command("createbackupkey").exit_code == 2
    ended = run_command("createbackupkey", "--if-missing", "--json")
    assert ended.json()["source"] == "MOORING_BACKUP_KEY"
    assert not key_file.exists()
