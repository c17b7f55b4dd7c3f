"""The catalog from the repository alone: the same rows, and damage does not stop it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import pytest
from django.db.models import Model

from backups.catalog.register import rebuild
from backups.exceptions import Refused
from backups.jobs.request import create_copy_job
from backups.keys.load import load_keys
from backups.models import Backup, BackupCopy, Evidence, Instance, Job, Repository
from backups.states import JobStatus, Operation
from tests.backups.archive.stores import INSTANCE, records_of, write_backup
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import restore, run_here, take_backup

pytestmark = pytest.mark.django_db(transaction=True)


def columns(row: Model, *, without: Sequence[str]) -> dict[str, object]:
    names = [field.attname for field in row._meta.concrete_fields]
    return {name: getattr(row, name) for name in names if name not in without}


def forget_everything() -> None:
    Evidence.objects.all().delete()
    Job.objects.all().delete()
    BackupCopy.objects.all().delete()
    Backup.objects.all().delete()
    Instance.objects.all().delete()


def test_the_rows_are_the_same(
    orders: Instance, main: Repository, engine: FakeEngine, tmp_path: Path
) -> None:
    take_backup(orders)
    kept = ("id", "made_by_id", "instance_id", "backup_id", "status_since")
    backup = columns(Backup.objects.get(), without=kept)
    copy = columns(BackupCopy.objects.get(), without=kept)
    forget_everything()
    (found,) = rebuild(main, load_keys())
    assert (found.label, found.added, found.error) == (backup["label"], True, "")
    assert columns(Backup.objects.get(), without=kept) == backup
    assert columns(BackupCopy.objects.get(), without=kept) == copy
    instance = Instance.objects.get()
    assert (instance.uuid, instance.name, instance.port) == (orders.uuid, "orders-1", 3307)
    assert (instance.flavour, instance.password_token) == ("mariadb", "")
    job = restore(BackupCopy.objects.get(), tmp_path / "restored")
    assert job.status == JobStatus.SUCCEEDED


def test_again_adds_nothing(orders: Instance, main: Repository, engine: FakeEngine) -> None:
    made = take_backup(orders)
    (found,) = rebuild(main, load_keys())
    assert (found.label, found.added) == (made.label, False)
    assert Backup.objects.get().made_by is not None


def test_a_name_that_was_given_away_stays_with_its_owner(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    take_backup(orders)
    uuid = orders.uuid
    forget_everything()
    Instance.objects.create(name="orders-1")
    list(rebuild(main, load_keys()))
    assert Backup.objects.get().instance.uuid == uuid
    assert Backup.objects.get().instance.name == f"orders-1-{uuid.hex[:8]}"


def test_what_cannot_be_read_is_reported_and_the_others_continue(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    made = take_backup(orders)
    top = Path(main.path) / f"instances/{uuid4()}/backups"
    blob = (Path(main.path) / made.copies.get().path / "manifest.json.zst").read_bytes()
    for label, content in {
        "a@20200101T000000Z-F": b"",
        "b@20200101T000001Z-F": blob[:-1] + b"x",
        "c@20990101T000000Z-F": blob[:100],
    }.items():
        (top / label).mkdir(parents=True)
        (top / label / "manifest.json.zst").write_bytes(content)
    # Whole, but written by somebody who left out the facts.
    store_folder = write_backup_without_facts(main)
    # Bytes without a manifest are no backup.
    (top / "d@20200101T000000Z-F" / "packs").mkdir(parents=True)
    forget_everything()
    found = list(rebuild(main, load_keys(), allow_unencrypted=True))
    assert [rebuilt.label for rebuilt in found if rebuilt.added] == [made.label]
    errors = {rebuilt.folder: rebuilt.error for rebuilt in found if rebuilt.error}
    assert len(errors) == 4
    assert "lacks fields the catalog needs" in errors[store_folder]


@pytest.mark.parametrize(
    ("left", "error"),
    [(None, "incomplete: 1 of 1 packs are missing"), (b"x", "is 1 bytes, the manifest says")],
)
def test_a_hollow_folder_is_reported_and_not_registered(
    orders: Instance, main: Repository, engine: FakeEngine, left: bytes | None, error: str
) -> None:
    folder = Path(main.path) / take_backup(orders).copies.get().path
    (folder / "packs" / "000001.pack").unlink()
    if left is not None:
        (folder / "packs" / "000001.pack").write_bytes(left)
    forget_everything()
    (found,) = rebuild(main, load_keys())
    assert not found.added
    assert error in found.error
    assert not BackupCopy.objects.exists()


def write_backup_without_facts(repository: Repository) -> str:
    from backups.repositories.directory import DirectoryStore

    store = DirectoryStore(Path(repository.path))
    records = records_of({"ibdata1": b"x"})
    about = {"instance": {"uuid": str(INSTANCE)}}
    return write_backup(store, records, label="e@20200101T000000Z-F", encrypted=False, about=about)


def test_without_the_key_each_encrypted_one_says_which_it_needs(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    copy = take_backup(orders).copies.get()
    forget_everything()
    (found,) = rebuild(main, None)
    assert f"is encrypted under key {copy.key_id}" in found.error
    assert not Backup.objects.exists()


def test_another_repository_at_the_path_is_not_taken_for_this_one(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    take_backup(orders)
    identity = Path(main.path) / "mooring.json"
    identity.write_text(json.dumps({"repository": str(uuid4()), "format": 1}))
    with pytest.raises(Refused, match="holds another repository"):
        list(rebuild(main, load_keys()))


def test_a_rebuilt_backup_can_be_verified(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    take_backup(orders)
    forget_everything()
    list(rebuild(main, load_keys()))
    job = run_here(create_copy_job(Operation.VERIFY, BackupCopy.objects.get(), wake=False))
    assert job.status == JobStatus.SUCCEEDED
    assert Evidence.objects.get().passed
