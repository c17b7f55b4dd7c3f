"""Is it found out in time that a key is gone?"""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils.timezone import now

from backups.archive.keys import create_key_file
from backups.keys.proofs import EVERY, prove_keys
from backups.models import BackupCopy, Instance, Repository
from backups.states import CopyStatus
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import take_backup

pytestmark = pytest.mark.django_db(transaction=True)
SECOND = timedelta(seconds=1)


@pytest.fixture
def copy(orders: Instance, main: Repository, engine: FakeEngine) -> BackupCopy:
    return take_backup(orders, main).copies.get()


def test_a_key_that_opens_leaves_no_fault(copy: BackupCopy) -> None:
    at = now()
    assert prove_keys(at) == 0
    copy.refresh_from_db()
    assert (copy.key_checked_at, copy.key_fault) == (at, "")


def test_a_key_that_is_gone_is_named_until_it_is_back(copy: BackupCopy, key_file: Path) -> None:
    kept = key_file.with_name("kept")
    key_file.rename(kept)
    create_key_file(key_file)
    at = now()
    assert prove_keys(at) == 1
    copy.refresh_from_db()
    assert copy.key_id in copy.key_fault

    shutil.copy(kept, key_file)
    assert prove_keys(at + EVERY - SECOND) == 0
    assert BackupCopy.objects.exclude(key_fault="").exists()
    assert prove_keys(at + EVERY) == 0
    assert not BackupCopy.objects.exclude(key_fault="").exists()


def test_without_any_key_every_copy_has_a_fault(copy: BackupCopy, key_file: Path) -> None:
    key_file.unlink()
    assert prove_keys(now()) == 1


def test_a_repository_that_is_away_says_nothing_of_the_key(copy: BackupCopy) -> None:
    folder = Path(copy.repository.path)
    folder.rename(folder.with_name("away"))
    assert prove_keys(now()) == 0
    copy.refresh_from_db()
    assert copy.key_fault == ""


def test_a_purged_copy_is_left_alone(copy: BackupCopy) -> None:
    BackupCopy.objects.update(status=CopyStatus.PURGED)
    prove_keys(now())
    copy.refresh_from_db()
    assert copy.key_checked_at is None
