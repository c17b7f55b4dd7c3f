"""What if the bytes of a copy are not the ones that were registered?"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from django.utils.timezone import now

from backups.archive.cipher import Unencrypted
from backups.archive.keys import add_key
from backups.archive.manifest import new_envelope, open_manifest, read_envelope, seal_manifest
from backups.archive.meter import Meter
from backups.archive.writer import ArchiveWriter
from backups.catalog.condition import check_copies
from backups.catalog.contents import load_contents
from backups.catalog.copies import open_copy
from backups.catalog.register import rebuild
from backups.exceptions import CopyChanged
from backups.jobs.request import create_copy_job
from backups.keys.load import load_keys
from backups.keys.rotation import check_data_keys, rewrap_data_keys
from backups.models import Backup, BackupCopy, Evidence, Instance, Job, Repository
from backups.pacing.limiter import Limiter
from backups.repositories.directory import DirectoryStore
from backups.repositories.layout import manifest_name
from backups.states import JobStatus, Operation
from tests.backups.archive.stores import never_stop, records_of, write_records
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import prove, restore, run_here, take_backup
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)
FORGED = {"shop/orders.ibd": b"rows of somebody else"}


@pytest.fixture
def copy(orders: Instance, main: Repository, engine: FakeEngine) -> BackupCopy:
    return take_backup(orders, main).copies.get()


def folder_of(copy: BackupCopy) -> Path:
    return Path(copy.repository.path) / copy.path


def put_plain(copy: BackupCopy) -> None:
    """Put an unencrypted backup of the same uuid, label and instance in its place: no key."""
    backup = copy.backup
    shutil.rmtree(folder_of(copy))
    store = DirectoryStore(Path(copy.repository.path))
    writer = ArchiveWriter(
        [store], copy.path, backup=backup.uuid, cipher=Unencrypted(), threads=1, level=1,
        check=never_stop, meter=Meter(), pace=Limiter(),
    )  # fmt: skip
    contents = write_records(writer, records_of(FORGED))
    about = {
        "uuid": str(backup.uuid),
        "label": backup.label,
        "instance": {"uuid": str(backup.instance.uuid)},
    }
    envelope = new_envelope(backup.uuid, backup.label, b"", None)
    blob = seal_manifest(envelope, about, contents, Unencrypted())
    (folder_of(copy) / "manifest.json.zst").write_bytes(blob)


def put_another(copy: BackupCopy) -> None:
    """Exchange its folder for that of another backup, as a mistaken rsync does."""
    second = Instance.objects.create(name="orders-2", engine="fake", flavour="mariadb")
    other = take_backup(second, copy.repository).copies.get()
    shutil.rmtree(folder_of(copy))
    shutil.copytree(folder_of(other), folder_of(copy))


def put_older_attempt(copy: BackupCopy) -> None:
    """Seal other contents under the same data key: who holds the key can, and is noticed."""
    store = DirectoryStore(Path(copy.repository.path))
    manifest, cipher = open_manifest(store.read(manifest_name(copy.path)), load_keys())
    about = {**manifest.about, "written_by": "somebody else"}
    blob = seal_manifest(manifest.envelope, about, manifest.contents, cipher)
    store.replace(manifest_name(copy.path), blob)


exchanges = pytest.mark.parametrize("exchange", [put_plain, put_another, put_older_attempt])
Exchange = Callable[[BackupCopy], None]


@exchanges
def test_nothing_reads_it(copy: BackupCopy, exchange: Exchange, tmp_path: Path) -> None:
    exchange(copy)
    for read in (open_copy, load_contents):
        with pytest.raises(CopyChanged):
            read(copy)
    job = restore(copy, tmp_path / "restored")
    assert (job.status, (tmp_path / "restored").exists()) == (JobStatus.FAILED, False)


@exchanges
@pytest.mark.parametrize("operation", [Operation.VERIFY, Operation.RESTORE_TEST])
def test_no_proof_passes(copy: BackupCopy, exchange: Exchange, operation: Operation) -> None:
    exchange(copy)
    job = run_here(create_copy_job(operation, copy, wake=False))
    assert job.status == JobStatus.FAILED
    assert "expected" in job.error or "changed since" in job.error or "in its place" in job.error
    if operation == Operation.VERIFY:
        assert not Evidence.objects.get(copy=copy).passed


@exchanges
def test_no_check_of_keys_passes(copy: BackupCopy, exchange: Exchange) -> None:
    exchange(copy)
    keyring = load_keys()
    finding = next(
        checked for checked in check_data_keys(keyring) if checked.label == copy.backup.label
    )
    assert finding.error
    before = (folder_of(copy) / "manifest.json.zst").read_bytes()
    finding = next(
        checked for checked in rewrap_data_keys(keyring) if checked.label == copy.backup.label
    )
    assert finding.error
    assert (folder_of(copy) / "manifest.json.zst").read_bytes() == before


@exchanges
def test_the_tick_says_so_and_it_protects_nobody(copy: BackupCopy, exchange: Exchange) -> None:
    exchange(copy)
    assert check_copies(now()) == 1
    copy.refresh_from_db()
    assert copy.fault == "changed"
    assert copy.fault_detail


@exchanges
def test_a_rebuild_says_so(copy: BackupCopy, exchange: Exchange) -> None:
    exchange(copy)
    errors = [found.error for found in rebuild(copy.repository, load_keys()) if found.error]
    assert len(errors) == 1


def test_a_rebuild_from_nothing_takes_no_plain_one(copy: BackupCopy) -> None:
    put_plain(copy)
    BackupCopy.objects.all().delete()
    Job.objects.all().delete()
    Backup.objects.all().delete()
    (found,) = rebuild(copy.repository, load_keys())
    assert "is not" in found.error
    assert not Backup.objects.exists()


def test_a_rebuild_takes_plain_ones_on_request(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    Repository.objects.update(encrypted=False)
    main.refresh_from_db()
    label = take_backup(orders, main).label
    Repository.objects.update(encrypted=True)
    BackupCopy.objects.all().delete()
    Job.objects.all().delete()
    Backup.objects.all().delete()
    refused = run_command("rebuildcatalog", "main")
    assert (refused.exit_code, Backup.objects.count()) == (1, 0)
    allowed = run_command("rebuildcatalog", "main", "--allow-unencrypted", "--json")
    assert (allowed.exit_code, allowed.json()["added"]) == (0, [label])


def test_a_rotation_changes_no_digest(copy: BackupCopy, key_file: Path) -> None:
    keyring = add_key(key_file)
    (finding,) = rewrap_data_keys(keyring)
    assert (finding.changed, finding.error) == (True, "")
    copy.refresh_from_db()
    assert copy.key_id == keyring.current.id
    assert open_copy(copy).manifest.digest == copy.manifest_digest
    blob = (folder_of(copy) / "manifest.json.zst").read_bytes()
    assert read_envelope(blob).key_id == keyring.current.id


def test_evidence_of_other_bytes_counts_for_nothing(copy: BackupCopy) -> None:
    prove(copy, "verify", passed=False)
    assert Evidence.objects.current().exists()
    BackupCopy.objects.update(manifest_digest="0" * 64)
    assert not Evidence.objects.current().exists()


def test_a_folder_moved_to_another_instance_is_refused(copy: BackupCopy) -> None:
    stranger = UUID(int=7)
    moved = folder_of(copy).parents[2] / str(stranger) / "backups" / folder_of(copy).name
    moved.parent.mkdir(parents=True)
    folder_of(copy).rename(moved)
    (found,) = rebuild(copy.repository, load_keys())
    assert f"expected {stranger}" in found.error
