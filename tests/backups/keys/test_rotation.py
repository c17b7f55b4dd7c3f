"""Keys are rotated by rewrapping: packs stay, every backup still opens."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from backups.archive.keys import Keyring, add_key, create_key_file
from backups.evidence_report.signing import create_key, sign
from backups.exceptions import RepositoryError
from backups.jobs.request import create_copy_job
from backups.keys.load import load_keys
from backups.keys.rotation import check_data_keys, rewrap_data_keys, rotate_passwords
from backups.models import BackupCopy, Instance, Repository
from backups.repositories.directory import DirectoryStore
from backups.repositories.layout import manifest_name
from backups.states import CopyStatus, JobStatus, Operation
from tests.backups.conftest import make_repository
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import run_here, take_backup

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def copies(
    orders: Instance, main: Repository, engine: FakeEngine, tmp_path: Path
) -> list[BackupCopy]:
    """Two copies of one backup."""
    made = take_backup(orders, main, make_repository("second", tmp_path / "second"))
    return list(made.copies.order_by("id"))


def test_rewrapping_touches_no_pack(copies: list[BackupCopy], key_file: Path) -> None:
    old = load_keys().current
    packs = list(Path(copies[0].repository.path).rglob("*.pack"))
    before = [(pack.stat().st_mtime_ns, pack.read_bytes()) for pack in packs]
    keyring = add_key(key_file)
    assert keyring.current.id != old.id
    assert [found.changed for found in rewrap_data_keys(keyring)] == [True, True]
    assert set(BackupCopy.objects.values_list("key_id", flat=True)) == {keyring.current.id}
    assert [(pack.stat().st_mtime_ns, pack.read_bytes()) for pack in packs] == before
    # The old key is no longer needed.
    newest = Keyring((keyring.current,))
    assert [found.error for found in check_data_keys(newest)] == ["", ""]
    for copy in copies:
        job = run_here(create_copy_job(Operation.VERIFY, copy, wake=False))
        assert job.status == JobStatus.SUCCEEDED


def test_again_changes_nothing(copies: list[BackupCopy], key_file: Path) -> None:
    keyring = add_key(key_file)
    list(rewrap_data_keys(keyring))
    manifest = Path(copies[0].repository.path) / manifest_name(copies[0].path)
    before = manifest.read_bytes()
    assert [found.changed for found in rewrap_data_keys(keyring)] == [False, False]
    assert manifest.read_bytes() == before


def test_an_interrupted_rotation_is_finished(
    copies: list[BackupCopy], key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = add_key(key_file)
    first = rewrap_data_keys(keyring)
    assert next(first).changed
    del first
    assert [found.error for found in check_data_keys(keyring)] == ["", ""]
    assert [found.changed for found in rewrap_data_keys(keyring)] == [False, True]


def test_a_row_that_fell_behind_its_manifest_catches_up(
    copies: list[BackupCopy], key_file: Path
) -> None:
    keyring = add_key(key_file)
    list(rewrap_data_keys(keyring))
    BackupCopy.objects.update(key_id="old")
    assert [found.changed for found in rewrap_data_keys(keyring)] == [False, False]
    assert set(BackupCopy.objects.values_list("key_id", flat=True)) == {keyring.current.id}


def test_one_that_cannot_be_reached_does_not_keep_the_others(
    copies: list[BackupCopy], key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Path(copies[0].repository.path)
    real = DirectoryStore.replace

    def replace(self: DirectoryStore, name: str, content: bytes) -> None:
        if self.root == broken:
            raise RepositoryError("read-only file system")
        real(self, name, content)

    monkeypatch.setattr(DirectoryStore, "replace", replace)
    keyring = add_key(key_file)
    found = list(rewrap_data_keys(keyring))
    assert [(finding.changed, finding.error) for finding in found] == [
        (False, "read-only file system"),
        (True, ""),
    ]
    assert [checked.error for checked in check_data_keys(keyring)] == ["", ""]


def test_a_wrong_key_is_named_with_the_one_that_is_needed(
    copies: list[BackupCopy], tmp_path: Path
) -> None:
    stranger = create_key_file(tmp_path / "stranger.key")
    for found in check_data_keys(stranger):
        assert f"key {copies[0].key_id} is not in the keyring" in found.error


def test_purged_and_unencrypted_copies_are_not_asked(
    copies: list[BackupCopy], key_file: Path
) -> None:
    BackupCopy.objects.filter(pk=copies[0].pk).update(status=CopyStatus.PURGED)
    BackupCopy.objects.filter(pk=copies[1].pk).update(key_id="")
    assert list(check_data_keys(load_keys())) == []


def test_passwords_move_to_the_newest_secret_key(
    orders: Instance, main: Repository, settings: Settings
) -> None:
    main.set_secret_key("s3cret key")
    main.save()
    new = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="
    signing = create_key()
    settings.INSTANCE_SECRET_KEYS = [new, *settings.INSTANCE_SECRET_KEYS]
    before = orders.password_token
    assert rotate_passwords() == 3
    settings.INSTANCE_SECRET_KEYS = [new]
    signing.refresh_from_db()
    assert len(sign(signing, b"a manifest")) == 64
    orders.refresh_from_db()
    assert orders.password_token != before
    assert orders.password() == "s3cret word"
    main.refresh_from_db()
    assert main.secret_key() == "s3cret key"
