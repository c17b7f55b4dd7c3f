"""Does a repository on sequential media take, prove, restore and lose backups as any other does?"""

from __future__ import annotations

from pathlib import Path

import pytest
from django.utils.timezone import now
from pytest_django import Settings

from backups.access import store_of
from backups.archive.keys import KeyEncryptionKey, Keyring
from backups.binlog_archive.receiving.enable import ArchiveRequest, enable_archive
from backups.catalog.condition import check_copies, check_repositories
from backups.exceptions import BadInput
from backups.executor.leftovers import remove_leftovers
from backups.jobs.request import create_backup_job, create_copy_job
from backups.keys.load import load_keys
from backups.keys.rotation import rewrap_data_keys
from backups.models import Backup, BackupCopy, Instance, Job, MediaPiece, Repository
from backups.parameters import VerifyParameters
from backups.preflight.survey import survey_repository
from backups.restores.plan import PlannedRestore, plan_restore
from backups.states import CopyFault, CopyStatus, JobStatus, KindCause, Operation
from tests.backups.conftest import make_repository
from tests.backups.fake_engine import FakeEngine
from tests.backups.pieces.media import add, added, describe, pieces
from tests.backups.repositories.media_manager import library
from tests.backups.taking import purge, restore, run_here, stored_files, take_backup
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tape(settings: Settings, tmp_path: Path) -> Path:
    return describe(settings, tmp_path)


@pytest.fixture
def tapes(tape: Path, key_file: Path) -> Repository:
    return added()


@pytest.fixture
def copy(orders: Instance, tapes: Repository, engine: FakeEngine) -> BackupCopy:
    return take_backup(orders, tapes).copies.get()


def verify(copy: BackupCopy) -> Job:
    return run_here(create_copy_job(Operation.VERIFY, copy, wake=False))


def test_a_prefix_becomes_a_repository_and_is_adopted_later(tapes: Repository, tape: Path) -> None:
    assert pieces(tape) == ["site1.mooring.json.1"]
    assert (tapes.max_jobs, tapes.differences, tapes.is_sequential) == (1, False, True)
    uuid = tapes.uuid
    tapes.delete()
    assert add("again").stdout.startswith("Adopted the repository again in media:lto/site1.")
    assert Repository.objects.get().uuid == uuid


def test_another_prefix_of_the_same_medium_is_another_repository(tapes: Repository) -> None:
    ended = run_command("addrepository", "two", "--path", "media:lto/site2")
    assert ended.exit_code == 0
    assert Repository.objects.get(name="two").uuid != tapes.uuid


def test_a_prefix_that_somebody_uses_is_refused(tape: Path, db: None) -> None:
    (tape / "site1.letters").touch()
    ended = add()
    assert ended.exit_code == 2
    assert "media:lto/site1 is neither empty nor a repository" in ended.stderr
    assert pieces(tape) == ["site1.letters"]


def test_a_medium_that_this_host_does_not_know_is_refused(tape: Path, db: None) -> None:
    ended = run_command("addrepository", "x", "--path", "media:dat/site1")
    assert ended.exit_code == 2
    assert "has no medium dat: it has lto" in ended.stderr


def test_a_backup_is_stored_read_back_verified_and_restored(
    copy: BackupCopy, tape: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    job = copy.backup.made_by
    assert job is not None
    read_back = job.stages.get(name="read-back")
    assert read_back.detail == "in tapes only the manifest was read: run a verify"
    assert [name.rpartition("+2f")[2] for name in pieces(tape)] == [
        "manifest.json.zst.1", "000001.pack.1", "site1.mooring.json.1",
    ]  # fmt: skip
    assert verify(copy).stages.get().detail == "1 pack, 2 frames, 5 files match"
    done = restore(copy, tmp_path / "out")
    assert "in 1 piece are read from the beginning" in done.log_lines.get(source="extract").text
    assert (done.status, done.error) == (JobStatus.SUCCEEDED, "")
    for name, content in engine.files.items():
        assert (tmp_path / "out" / name).read_bytes() == content


def test_a_backup_goes_to_a_folder_and_a_tape_in_one_pass(
    orders: Instance, main: Repository, tapes: Repository, engine: FakeEngine
) -> None:
    backup = take_backup(orders, main, tapes)
    assert [verify(copy).status for copy in backup.copies.all()] == 2 * [JobStatus.SUCCEEDED]
    detail = backup.made_by.stages.get(name="read-back").detail if backup.made_by else ""
    assert detail == "1 pack opened; in tapes only the manifest was read: run a verify"


def test_a_plan_says_what_is_read_in_full(copy: BackupCopy, tmp_path: Path) -> None:
    plan = plan_restore(PlannedRestore(copy, tmp_path / "out", raw=True))
    assert not plan.refused
    assert "in 1 piece are read from the beginning, in order" in plan.checks[0].found


def test_an_incremental_backup_becomes_a_full_one(
    orders: Instance, tapes: Repository, engine: FakeEngine, copy: BackupCopy
) -> None:
    job = run_here(create_backup_job(orders, kind="incremental", repositories=[tapes], wake=False))
    assert (job.status, job.kind, job.kind_cause) == (
        JobStatus.SUCCEEDED, "full", KindCause.SEQUENTIAL,
    )  # fmt: skip
    assert job.kind_reason == "tapes is on sequential media, which hold full backups only"


def test_damage_on_the_tape_is_found_by_a_verify(copy: BackupCopy, tape: Path) -> None:
    (pack,) = tape.glob("*.pack.1")
    content = bytearray(pack.read_bytes())
    content[262_144 + 100] ^= 1
    pack.write_bytes(content)
    job = verify(copy)
    assert job.status == JobStatus.FAILED
    assert "its checksum does not match" in job.error


def test_pages_are_not_checked_there(copy: BackupCopy) -> None:
    with pytest.raises(BadInput, match="pages cannot be checked in tapes"):
        create_copy_job(Operation.VERIFY, copy, parameters=VerifyParameters(pages=True))


def test_binlogs_are_not_archived_there(orders: Instance, tapes: Repository) -> None:
    with pytest.raises(BadInput, match="binlogs are not archived to tapes"):
        enable_archive(orders, ArchiveRequest(repositories=[tapes]))


@pytest.mark.parametrize(
    "script", ["head -c 300000 > $0; exit 3", "cat > $0; echo no tape >&2; exit 3"]
)
def test_a_failed_store_leaves_no_piece(
    orders: Instance,
    tapes: Repository,
    engine: FakeEngine,
    settings: Settings,
    tmp_path: Path,
    script: str,
) -> None:
    tape = describe(settings, tmp_path, store=["sh", "-c", script, "{piece}"])
    job = run_here(create_backup_job(orders, repositories=[tapes], wake=False))
    assert job.status == JobStatus.FAILED
    assert "sh ended with exit code 3" in job.error
    assert pieces(tape) == ["site1.mooring.json.1"]
    assert not MediaPiece.objects.exists()
    assert not Job.objects.filter(leftovers=True).exists()


def test_what_a_dead_worker_left_is_removed_by_a_tick(
    orders: Instance, tapes: Repository, engine: FakeEngine, tape: Path
) -> None:
    job = create_backup_job(orders, repositories=[tapes], wake=False)
    store = store_of(tapes)
    folder = f"instances/{orders.uuid}/backups/orders-1@20260302T010000Z-F"
    with store.create(f"{folder}/packs/000001.pack") as upload:
        upload.write(b"x")
        upload.commit()
    half = store.create(f"{folder}/packs/000002.pack")
    half.write(bytes(600_000))
    Job.objects.filter(pk=job.pk).update(
        status=JobStatus.LOST, label="orders-1@20260302T010000Z-F", leftovers=True
    )
    while len(pieces(tape)) < 3:
        half.write(bytes(1000))
    assert remove_leftovers() == 1
    assert pieces(tape) == ["site1.mooring.json.1"]
    assert not MediaPiece.objects.exists()
    with half:
        pass


def test_a_purge_removes_the_pieces(copy: BackupCopy, tape: Path) -> None:
    assert purge(copy, force=True).status == JobStatus.SUCCEEDED
    assert pieces(tape) == ["site1.mooring.json.1"]
    copy.refresh_from_db()
    assert copy.status == CopyStatus.PURGED


def test_without_a_remove_command_the_media_manager_expires_them(
    copy: BackupCopy, settings: Settings, tmp_path: Path
) -> None:
    tape = describe(settings, tmp_path, remove=None)
    job = purge(copy, force=True)
    assert (job.status, job.stages.get(name="delete").detail) == (JobStatus.SUCCEEDED, "0 B freed")
    assert len(pieces(tape)) == 3
    assert not MediaPiece.objects.exists()


def test_ticks_find_a_manifest_that_is_gone_and_mount_nothing(
    copy: BackupCopy, tape: Path, settings: Settings, tmp_path: Path
) -> None:
    describe(settings, tmp_path, fetch=["false", "{piece}"])
    assert (check_repositories(now()), check_copies(now())) == (0, 0)
    for manifest in tape.glob("*manifest*"):
        manifest.unlink()
    BackupCopy.objects.update(checked_at=None)
    assert check_copies(now()) == 1
    copy.refresh_from_db()
    assert copy.fault == CopyFault.MISSING


def test_a_media_manager_that_does_not_answer_makes_no_copy_missing(
    copy: BackupCopy, settings: Settings, tmp_path: Path
) -> None:
    describe(settings, tmp_path, exists=["sh", "-c", "exit 2", "{piece}"])
    assert check_copies(now()) == 0
    copy.refresh_from_db()
    assert (copy.fault, copy.checked_at is None) == ("", False)


def test_a_host_without_the_medium_has_an_unusable_repository(
    copy: BackupCopy, settings: Settings, tmp_path: Path
) -> None:
    settings.MEDIA_FILE = tmp_path / "none.toml"
    assert check_repositories(now()) == 1
    copy.repository.refresh_from_db()
    assert "none.toml does not exist" in copy.repository.fault


def test_a_preflight_asks_the_medium(tapes: Repository, tape: Path) -> None:
    assert survey_repository(tapes, store_of(tapes)).problem is None
    (tape / "site1.mooring.json.1").unlink()
    problem = survey_repository(tapes, store_of(tapes)).problem
    assert problem is not None
    assert problem.error.startswith("media:lto/site1 is not a repository")


def test_a_new_key_makes_a_new_piece_of_the_manifest(copy: BackupCopy, tape: Path) -> None:
    keyring = load_keys()
    newer = Keyring((KeyEncryptionKey(bytes(32)), *keyring.keys))
    assert [finding.error for finding in rewrap_data_keys(newer)] == [""]
    assert [name[-19:] for name in pieces(tape) if "manifest" in name] == ["manifest.json.zst.2"]


@pytest.mark.parametrize("listed", [True, False])
def test_the_catalog_comes_back_from_the_tape(
    copy: BackupCopy,
    tape: Path,
    settings: Settings,
    tmp_path: Path,
    listed: bool,
) -> None:
    label = copy.backup.label
    names = tmp_path / "names"
    names.write_text("".join(f"{name}\n" for name in pieces(tape)))
    BackupCopy.objects.all().delete()
    Backup.objects.all().delete()
    Repository.objects.all().delete()
    if not listed:
        describe(settings, tmp_path, list=None)
    assert add().exit_code == 0
    words = () if listed else ("--pieces", str(names))
    ended = run_command("rebuildcatalog", "tapes", *words)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert "1 backup in tapes: 1 added, 0 unreadable" in ended.stdout
    found = BackupCopy.objects.get(backup__label=label)
    assert verify(found).status == JobStatus.SUCCEEDED
    assert "0 added" in run_command("rebuildcatalog", "tapes", *words).stdout


def test_a_catalog_that_is_older_than_the_tape_gets_what_it_lacks(
    copy: BackupCopy, tapes: Repository, orders: Instance
) -> None:
    """As with a copy of the database from before: rows say that pieces were begun."""
    MediaPiece.objects.update(size=None, sha256="", content=None)
    BackupCopy.objects.all().delete()
    Backup.objects.all().delete()
    assert run_command("rebuildcatalog", "tapes").exit_code == 0
    assert verify(BackupCopy.objects.get()).status == JobStatus.SUCCEEDED


def test_a_medium_that_cannot_list_wants_the_names(
    copy: BackupCopy, settings: Settings, tmp_path: Path
) -> None:
    describe(settings, tmp_path, list=None)
    ended = run_command("rebuildcatalog", "tapes")
    assert ended.exit_code == 2
    assert "cannot list its pieces" in ended.stderr


def test_a_manifest_that_cannot_be_read_is_named_when_the_catalog_is_rebuilt(
    copy: BackupCopy, tape: Path
) -> None:
    MediaPiece.objects.all().delete()
    (manifest,) = tape.glob("*manifest*")
    manifest.write_bytes(manifest.read_bytes()[:-262144])
    ended = run_command("rebuildcatalog", "tapes")
    assert ended.exit_code == 1
    assert "is cut off" in " ".join(ended.stdout.split())


def test_a_name_list_is_of_sequential_media_only(main: Repository, tmp_path: Path) -> None:
    ended = run_command("rebuildcatalog", "main", "--pieces", str(tmp_path / "names"))
    assert ended.exit_code == 2
    assert "main is not on sequential media" in ended.stderr
    assert stored_files(main) == ["mooring.json"]
    make_repository("other", tmp_path / "other")


def test_a_media_manager_takes_and_gives_back_a_backup(
    orders: Instance, key_file: Path, engine: FakeEngine, settings: Settings, tmp_path: Path
) -> None:
    tape = tmp_path / "tape"
    tape.mkdir()
    settings.MEDIA_FILE = tmp_path / "media.toml"
    settings.MEDIA_FILE.write_text(
        f'[lto]\nsbt_lib = "{library()}"\nenvironment = {{ FAKE_FOLDER = "{tape}" }}\n'
    )
    settings.MEDIA_FILE.chmod(0o600)
    copy = take_backup(orders, added()).copies.get()
    assert verify(copy).status == JobStatus.SUCCEEDED
    assert restore(copy, tmp_path / "out").status == JobStatus.SUCCEEDED
    assert purge(copy, force=True).status == JobStatus.SUCCEEDED
    assert pieces(tape) == ["site1.mooring.json.1"]
