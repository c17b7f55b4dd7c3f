"""Is it found in time that a copy, its repository or its key is gone?"""

from __future__ import annotations

import os
import shutil
import threading
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.utils.timezone import now

from backups.archive.keys import create_key_file
from backups.catalog.condition import EVERY, check_copies, check_repositories
from backups.health.protection_facts import restorable_backups
from backups.models import BackupCopy, Instance, Repository
from backups.repositories.base import Identity
from backups.repositories.directory import DirectoryStore
from backups.repositories.layout import FORMAT_VERSION
from backups.states import CopyStatus
from tests.backups.archive.test_fuzz import bounded
from tests.backups.conftest import make_repository
from tests.backups.fake_engine import FakeEngine
from tests.backups.repositories.held_mount import held_mount
from tests.backups.repositories.test_apart import until
from tests.backups.taking import take_backup

pytestmark = pytest.mark.django_db(transaction=True)
SECOND = timedelta(seconds=1)


@pytest.fixture
def copy(orders: Instance, main: Repository, engine: FakeEngine) -> BackupCopy:
    return take_backup(orders, main).copies.get()


def test_a_key_that_opens_leaves_no_fault(copy: BackupCopy) -> None:
    at = now()
    assert check_copies(at) == 0
    copy.refresh_from_db()
    assert (copy.checked_at, copy.key_fault) == (at, "")


def test_a_key_that_is_gone_is_named_until_it_is_back(copy: BackupCopy, key_file: Path) -> None:
    kept = key_file.with_name("kept")
    key_file.rename(kept)
    create_key_file(key_file)
    at = now()
    assert check_copies(at) == 1
    copy.refresh_from_db()
    assert copy.key_id in copy.key_fault

    shutil.copy(kept, key_file)
    assert check_copies(at + EVERY - SECOND) == 0
    assert BackupCopy.objects.exclude(key_fault="").exists()
    assert check_copies(at + EVERY) == 0
    assert not BackupCopy.objects.exclude(key_fault="").exists()


def test_without_any_key_every_copy_has_a_fault(copy: BackupCopy, key_file: Path) -> None:
    key_file.unlink()
    assert check_copies(now()) == 1


def test_an_unreachable_repository_says_nothing_of_the_key(copy: BackupCopy) -> None:
    folder = Path(copy.repository.path)
    folder.rename(folder.with_name("away"))
    assert check_copies(now()) == 0
    copy.refresh_from_db()
    assert copy.key_fault == ""


def test_a_repository_that_hangs_keeps_no_other_waiting(
    orders: Instance, main: Repository, engine: FakeEngine, tmp_path: Path
) -> None:
    with held_mount(tmp_path / "there", tmp_path / "mount") as mount:
        hanging = make_repository("nas", mount.point)
        good, _ = take_backup(orders, main, hanging).copies.order_by("repository__name")
        at = now()
        mount.freeze()
        checking = threading.Thread(target=check_copies, args=(at,))
        checking.start()
        try:
            until(lambda: BackupCopy.objects.filter(pk=good.pk, checked_at=at).exists())
        finally:
            mount.thaw()
            checking.join()
    assert BackupCopy.objects.filter(checked_at=at, fault="").count() == 2


def test_a_purged_copy_is_left_alone(copy: BackupCopy) -> None:
    BackupCopy.objects.update(status=CopyStatus.PURGED)
    check_copies(now())
    copy.refresh_from_db()
    assert copy.checked_at is None


def faults() -> list[tuple[str, str]]:
    return list(BackupCopy.objects.order_by("id").values_list("fault", "fault_detail"))


def test_a_copy_whose_manifest_is_gone_is_missing_until_it_is_back(copy: BackupCopy) -> None:
    assert check_repositories(now()) == 0
    assert faults() == [("", "")]
    manifest = Path(copy.repository.path) / copy.path / "manifest.json.zst"
    kept = manifest.with_name("kept")
    manifest.rename(kept)
    check_repositories(now())
    ((fault, detail),) = faults()
    assert (fault, "is not in the repository" in detail) == ("missing", True)
    kept.rename(manifest)
    check_repositories(now())
    assert faults() == [("", "")]


@pytest.mark.parametrize(("left", "fault"), [(None, "missing"), (b"short", "changed")])
def test_a_pack_that_is_gone_or_short_is_found(
    copy: BackupCopy, left: bytes | None, fault: str
) -> None:
    pack = Path(copy.repository.path) / copy.path / "packs/000001.pack"
    pack.unlink()
    if left is not None:
        pack.write_bytes(left)
    assert check_copies(now()) == 1
    assert faults()[0][0] == fault


def test_a_manifest_that_became_huge_is_changed_and_not_read(copy: BackupCopy) -> None:
    os.truncate(Path(copy.repository.path) / copy.path / "manifest.json.zst", 200 << 20)
    with bounded(32 << 20):
        assert check_copies(now()) == 1
    assert faults()[0][0] == "changed"


def test_contents_lost_and_identity_there_protects_nobody(copy: BackupCopy) -> None:
    assert restorable_backups().exists()
    shutil.rmtree(Path(copy.repository.path) / "instances")
    check_repositories(now())
    assert not restorable_backups().exists()


@pytest.mark.parametrize("how", ["empty", "another"])
def test_a_repository_that_is_not_there_protects_nobody(copy: BackupCopy, how: str) -> None:
    folder = Path(copy.repository.path)
    folder.rename(folder.with_name("unmounted"))
    folder.mkdir()
    if how == "another":
        DirectoryStore(folder).initialise(Identity(str(uuid4()), FORMAT_VERSION))
    assert check_repositories(now()) == 1
    repository = Repository.objects.get()
    assert repository.fault
    assert repository.fault_since
    assert not restorable_backups().exists()
    assert faults() == [("", "")]

    shutil.rmtree(folder)
    folder.with_name("unmounted").rename(folder)
    assert check_repositories(now()) == 0
    repository.refresh_from_db()
    assert not repository.fault
    assert not repository.fault_since
    assert restorable_backups().exists()


def test_a_copy_no_key_opens_protects_nobody(copy: BackupCopy, key_file: Path) -> None:
    key_file.unlink()
    check_copies(now())
    assert not restorable_backups().exists()


def test_a_check_dated_in_the_future_is_repeated(copy: BackupCopy) -> None:
    BackupCopy.objects.update(checked_at=now() + timedelta(days=300), key_fault="no key")
    check_copies(now())
    copy.refresh_from_db()
    assert copy.key_fault == ""
    assert copy.checked_at is not None
    assert copy.checked_at <= now()


def test_a_purged_copy_is_not_missing(copy: BackupCopy) -> None:
    BackupCopy.objects.update(status=CopyStatus.PURGED)
    shutil.rmtree(Path(copy.repository.path) / "instances")
    check_repositories(now())
    assert faults() == [("", "")]
