"""Which changed copies can a person accept, and what counts for them afterwards?"""

from __future__ import annotations

from pathlib import Path

import pytest
from django.utils.timezone import now

from backups.archive.keys import create_key_file
from backups.archive.manifest import open_manifest, seal_manifest
from backups.catalog.accept import accept_changed, inspect_changed
from backups.catalog.condition import check_copies
from backups.catalog.copies import open_copy
from backups.catalog.evidence import load_proofs
from backups.exceptions import KeyUnavailable, Refused
from backups.jobs.request import create_copy_job
from backups.keys.load import load_keys
from backups.models import Activity, Backup, BackupCopy, Instance, Job, Repository
from backups.repositories.directory import DirectoryStore
from backups.repositories.layout import manifest_name
from backups.states import JobStatus, Operation
from tests.backups.catalog.test_exchanged import (
    Exchange,
    folder_of,
    put_another,
    put_older_attempt,
    put_plain,
)
from tests.backups.conftest import make_repository
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import prove, run_here, take_backup
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def copy(orders: Instance, main: Repository, engine: FakeEngine) -> BackupCopy:
    return take_backup(orders, main).copies.get()


def again(copy: BackupCopy) -> BackupCopy:
    return BackupCopy.objects.select_related("backup__instance", "repository").get(pk=copy.pk)


def test_it_is_shown_first_and_accepted_by_the_digest_that_was_shown(copy: BackupCopy) -> None:
    put_older_attempt(copy)
    assert check_copies(now()) == 1
    label, old = copy.backup.label, copy.manifest_digest
    shown = run_command("acceptcopy", label, "--json").json()
    new = shown["found"]["digest"]
    assert (shown["registered"]["digest"], shown["accepted"]) == (old, False)
    assert again(copy).fault == "changed"
    wrong = run_command("acceptcopy", label, "--digest", old)
    assert (wrong.exit_code, again(copy).manifest_digest) == (2, old)
    ended = run_command("acceptcopy", label, "--repository", "main", "--digest", new)
    assert ended.exit_code == 0, ended.stderr
    assert "unproven" in ended.stdout
    assert (again(copy).manifest_digest, again(copy).fault) == (new, "")
    assert open_copy(again(copy)).manifest.digest == new
    row = Activity.objects.get(verb="accepted")
    assert (row.name, row.details) == (str(copy), {"old_digest": old, "new_digest": new})
    assert check_copies(now()) == 0


def test_evidence_of_the_old_bytes_does_not_count(copy: BackupCopy) -> None:
    prove(copy, "verify", passed=True)
    put_older_attempt(copy)
    accept_changed(inspect_changed(copy), now())
    assert load_proofs([copy.backup])[copy.backup_id].verify is None
    job = run_here(create_copy_job(Operation.VERIFY, again(copy), wake=False))
    assert job.status == JobStatus.SUCCEEDED
    assert load_proofs([copy.backup])[copy.backup_id].verified_at


@pytest.mark.parametrize("exchange", [put_plain, put_another])
def test_what_is_not_of_that_backup_is_refused(copy: BackupCopy, exchange: Exchange) -> None:
    exchange(copy)
    ended = run_command("acceptcopy", copy.backup.label)
    assert (ended.exit_code, "cannot be accepted" in ended.stderr) == (3, True)
    assert again(copy).manifest_digest == copy.manifest_digest


def test_one_of_another_instance_is_refused(copy: BackupCopy) -> None:
    put_older_attempt(copy)
    second = Instance.objects.create(name="orders-2", engine="fake", flavour="mariadb")
    Backup.objects.update(instance=second)
    with pytest.raises(Refused, match="is of instance"):
        inspect_changed(again(copy))


def test_one_that_lacks_packs_and_one_without_a_key_are_refused(
    copy: BackupCopy, key_file: Path
) -> None:
    put_older_attempt(copy)
    pack = next(folder_of(copy).rglob("*.pack"))
    pack.rename(pack.with_suffix(".gone"))
    with pytest.raises(Refused, match="packs are missing"):
        inspect_changed(copy)
    pack.with_suffix(".gone").rename(pack)
    key_file.unlink()
    create_key_file(key_file)
    with pytest.raises(KeyUnavailable):
        inspect_changed(copy)


def test_one_that_has_not_changed_and_one_in_use_are_refused(copy: BackupCopy) -> None:
    with pytest.raises(Refused, match="has not changed"):
        inspect_changed(copy)
    put_older_attempt(copy)
    changed = inspect_changed(copy)
    create_copy_job(Operation.VERIFY, copy, wake=False)
    with pytest.raises(Refused, match="uses the copy"):
        accept_changed(changed, now())
    Job.objects.filter(operation=Operation.VERIFY).delete()
    accept_changed(changed, now())
    with pytest.raises(Refused, match="meanwhile"):
        accept_changed(changed, now())


def put_other_facts(copy: BackupCopy, **facts: object) -> None:
    """Seal other facts of the backup under its data key."""
    store = DirectoryStore(Path(copy.repository.path))
    manifest, cipher = open_manifest(store.read(manifest_name(copy.path)), load_keys())
    about = {**manifest.about, **facts}
    blob = seal_manifest(manifest.envelope, about, manifest.contents, cipher)
    store.replace(manifest_name(copy.path), blob)


def test_facts_of_the_only_copy_become_those_of_the_backup(copy: BackupCopy) -> None:
    began = "2026-03-02T01:00:00+00:00"
    put_other_facts(copy, started_at=began)
    accept_changed(inspect_changed(copy), now())
    assert Backup.objects.get().started_at.isoformat() == began


def test_another_copy_keeps_the_facts_of_the_backup(
    orders: Instance, main: Repository, engine: FakeEngine, tmp_path: Path
) -> None:
    backup = take_backup(orders, main, make_repository("second", tmp_path / "second"))
    copy = again(backup.copies.get(repository=main))
    put_other_facts(copy, started_at="2026-03-02T01:00:00+00:00")
    accept_changed(inspect_changed(copy), now())
    assert Backup.objects.get().started_at == backup.started_at


@pytest.mark.parametrize("facts", [{"kind": "incremental"}, {"engine": "clone"}, {"facts": {}}])
def test_one_of_another_kind_and_one_without_facts_are_refused(
    copy: BackupCopy, facts: dict[str, object]
) -> None:
    put_other_facts(copy, **facts)
    with pytest.raises(Refused, match="cannot be accepted"):
        accept_changed(inspect_changed(copy), now())
    assert again(copy).manifest_digest == copy.manifest_digest
