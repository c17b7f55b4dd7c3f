"""Registering a repository: made, adopted or refused, and nothing foreign touched."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.access import store_of
from backups.models import Activity, Repository
from backups.repositories.prices import PriceList
from tests.backups.repositories.object_server import KEY_ID, SECRET, new_place
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


def test_it_takes_the_price_list_of_its_store(tmp_path: Path) -> None:
    words = ("addrepository", "main", "--path", str(tmp_path / "new"), "--currency", "EUR")
    prices = ("--price-storage", "0.023", "--price-writes", "0.005", "--price-egress", "0.09")
    assert run_command(*words, *prices, "--unencrypted").exit_code == 0
    found = Repository.objects.get().prices
    assert found == PriceList("EUR", Decimal("0.023"), Decimal("0.005"), None, Decimal("0.09"))
    refused = run_command(*words[:3], str(tmp_path / "other"), "--price-reads", "cheap")
    assert refused.exit_code != 0
    assert Repository.objects.count() == 1


def test_an_unencrypted_one_says_so(tmp_path: Path) -> None:
    ended = run_command("addrepository", "open", "--path", str(tmp_path), "--unencrypted")
    assert "NOT encrypted: anyone who can read it can read every backup" in ended.stdout
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


@pytest.fixture
def bucket(settings: Settings) -> list[str]:
    """Return the options of a bucket that is there."""
    settings.OUTBOUND_NETWORKS = ["127.0.0.0/8"]
    place = new_place()
    return ["--path", f"{place.address}/", "--endpoint", place.endpoint]


def test_a_bucket_becomes_a_repository(bucket: list[str], tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    words = [*bucket, "--access-key-id", KEY_ID, "--secret-key-file", str(secret)]
    ended = run_command("addrepository", "offsite", *words, "--json")
    assert ended.exit_code == 0, ended.stderr
    row = Repository.objects.get()
    assert (row.kind, row.path, row.device) == ("s3", bucket[1].rstrip("/"), None)
    assert store_of(row).identity().uuid == str(row.uuid)
    assert row.secret_key() == SECRET
    assert SECRET not in f"{row.secret_key_token}{ended.stdout}{Activity.objects.get().details}"

    again = run_command("addrepository", "again", *words)
    assert "Repository with this Path already exists" in again.stderr
    Repository.objects.all().delete()
    assert run_command("addrepository", "offsite", *words, "--json").json()["adopted"]


def test_a_key_pair_of_the_environment(bucket: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    words = [*bucket, "--credentials", "environment", "--credentials-name", "OFFSITE"]
    ended = run_command("addrepository", "offsite", *words)
    assert (ended.exit_code, Repository.objects.exists()) == (2, False)
    assert "the environment has no OFFSITE_ACCESS_KEY_ID" in ended.stderr
    monkeypatch.setenv("OFFSITE_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("OFFSITE_SECRET_ACCESS_KEY", SECRET)
    assert run_command("addrepository", "offsite", *words).exit_code == 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([], "access_key_id: Required by a stored key pair"),
        (["--access-key-id", "x"], "no key pair is stored for the repository"),
        (["--access-key-id", "x", "--storage-class", "GLACIER"], "cannot be read back at once"),
        (["--credentials", "file", "--credentials-name", "x"], "Enter the absolute path"),
        (["--credentials", "environment"], "Enter the name of the variable"),
    ],
)
def test_settings_that_no_bucket_has(bucket: list[str], more: list[str], words: str) -> None:
    ended = run_command("addrepository", "offsite", *bucket, *more)
    assert (ended.exit_code, Repository.objects.exists()) == (2, False)
    assert words in ended.stderr


def test_an_endpoint_at_a_private_address_must_be_allowed(
    bucket: list[str], settings: Settings
) -> None:
    settings.OUTBOUND_NETWORKS = []
    ended = run_command("addrepository", "offsite", *bucket, "--access-key-id", KEY_ID)
    assert ended.exit_code == 2
    assert "127.0.0.1 is not a public address: allow its network in" in ended.stderr


def test_a_folder_has_no_endpoint(tmp_path: Path) -> None:
    words = ["--path", str(tmp_path / "r"), "--endpoint", "https://s3.example.org"]
    assert "Only an object store" in run_command("addrepository", "main", *words).stderr


@pytest.mark.parametrize(
    ("path", "more", "words"),
    [
        ("sftp://nas/backup", [], "has no user or no path"),
        ("sftp://db:pw@nas/backup", [], "contains a password"),
        ("sftp://db@nas/backup", ["--identity-file", "key"], "Enter an absolute path"),
        ("sftp://db@nas/backup", ["--endpoint", "https://x"], "Only an object store"),
        ("sftp://db@nas/backup", ["--identity-file", "/none"], "identity file /none cannot be"),
    ],
)
def test_settings_that_no_sftp_folder_has(path: str, more: list[str], words: str) -> None:
    ended = run_command("addrepository", "offsite", "--path", path, *more)
    assert (ended.exit_code, Repository.objects.exists()) == (2, False)
    assert words in ended.stderr


def test_an_sftp_server_at_a_private_address_must_be_allowed(
    tmp_path: Path, settings: Settings
) -> None:
    settings.OUTBOUND_NETWORKS = []
    key = tmp_path / "key"
    key.touch(0o600)
    words = ["--path", "sftp://db@127.0.0.1/backup", "--identity-file", str(key)]
    ended = run_command("addrepository", "offsite", *words)
    assert ended.exit_code == 2
    assert "127.0.0.1 is not a public address: allow its network in" in ended.stderr


@pytest.mark.parametrize("path", ["gs://bucket", "az://account/container"])
@pytest.mark.parametrize("source", ["role", "environment", "file"])
def test_what_the_host_has_is_sent_to_no_endpoint_that_somebody_enters(
    path: str, source: str
) -> None:
    words = ["--path", path, "--credentials", source, "--credentials-name", "/etc/x"]
    ended = run_command("addrepository", "r", *words, "--endpoint", "https://evil.example")
    assert (ended.exit_code, Repository.objects.exists()) == (2, False)
    assert "are sent to the cloud itself and to this host only" in ended.stderr
