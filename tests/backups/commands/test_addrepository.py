"""Registering a repository: made, adopted or refused, and nothing foreign touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backups.models import Repository
from tests.commands import run_command

pytestmark = pytest.mark.django_db


def test_it_makes_a_repository_and_keeps_its_identity(tmp_path: Path) -> None:
    ended = run_command("addrepository", "main", "--path", str(tmp_path / "backup"), "--json")
    assert ended.exit_code == 0
    row = Repository.objects.get(name="main")
    written = json.loads((tmp_path / "backup" / "mooring.json").read_text())
    assert written["repository"] == str(row.uuid) == ended.json()["uuid"]
    assert (row.encrypted, ended.json()["adopted"]) == (True, False)


def test_it_adopts_a_repository_that_another_database_knew(tmp_path: Path) -> None:
    run_command("addrepository", "main", "--path", str(tmp_path))
    uuid = Repository.objects.get().uuid
    Repository.objects.all().delete()
    ended = run_command("addrepository", "found", "--path", str(tmp_path))
    assert Repository.objects.get(name="found").uuid == uuid
    assert ended.stdout.startswith(f"Adopted the repository found in {tmp_path}.")
    assert "rebuildcatalog found" in ended.stdout


def test_an_unencrypted_one_says_so(tmp_path: Path) -> None:
    ended = run_command("addrepository", "open", "--path", str(tmp_path), "--unencrypted")
    assert "NOT encrypted: anyone who can read this folder can read every backup" in ended.stdout
    assert not Repository.objects.get().encrypted


def test_an_encrypted_one_says_that_there_is_no_key_yet(tmp_path: Path) -> None:
    ended = run_command("addrepository", "main", "--path", str(tmp_path / "r"))
    assert "there is no key yet" in ended.stdout
    assert "createbackupkey" in ended.stdout


def test_a_folder_of_somebody_else_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine")
    ended = run_command("addrepository", "main", "--path", str(tmp_path))
    assert ended.exit_code == 2
    assert "is neither empty nor a repository" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]
    assert not Repository.objects.exists()


@pytest.mark.parametrize(
    ("name", "path", "words"),
    [
        ("main", "backup", "backup is not an absolute path"),
        ("a name", "/nowhere/backup", "name: Use letters, digits"),
        ("main", "/dev/null/backup", "could not be"),
    ],
)
def test_bad_input(name: str, path: str, words: str) -> None:
    ended = run_command("addrepository", name, "--path", path)
    assert ended.exit_code == 2
    assert words in ended.stderr
    assert not Repository.objects.exists()


def test_a_path_that_is_registered_already(tmp_path: Path) -> None:
    run_command("addrepository", "main", "--path", str(tmp_path))
    ended = run_command("addrepository", "again", "--path", f"{tmp_path}/")
    assert ended.exit_code == 2
    assert "Repository with this Path already exists" in ended.stderr


def test_a_copy_of_a_registered_repository(tmp_path: Path) -> None:
    run_command("addrepository", "main", "--path", str(tmp_path / "a"))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mooring.json").write_bytes((tmp_path / "a" / "mooring.json").read_bytes())
    ended = run_command("addrepository", "copy", "--path", str(tmp_path / "b"))
    assert ended.exit_code == 2
    assert "holds the repository already registered as main" in ended.stderr
