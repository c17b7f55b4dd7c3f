"""A backup becomes one file, as a job; the file is read without Mooring, and by another one."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.forms import model_to_dict
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from backups.admin.repository import RepositoryForm
from backups.exceptions import Refused
from backups.executor.leftovers import lose_expired, remove_leftovers
from backups.jobs.export import create_export_job
from backups.jobs.repeat import why_not_rerun
from backups.jobs.request import create_copy_job
from backups.models import Backup, BackupCopy, Instance, Job, Repository
from backups.parameters import PurgeParameters
from backups.repositories.exported.store import ExportedStore
from backups.repositories.exported.writer import ExportWriter, unfinished_path
from backups.retention.verdicts import judge_copies
from backups.stages.export import check_file, read_file, write_file
from backups.states import JobStatus, Operation
from backups.transitions.jobs import claim, own
from tests.backups.archive.stores import SCRIPT, contents_of
from tests.backups.chains.test_chain_jobs import chain, copy_of, damage, forget
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import purge, restore, run_here
from tests.commands import run_command
from tests.monitor.rows import RETENTION_TYPED, make_user

__all__ = ["chain"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "orders.tar"


def export(backup: Backup, target: Path) -> Job:
    return run_here(create_export_job(copy_of(backup), target, wake=False))


def test_a_chain_is_in_one_file_that_the_extractor_reads(
    chain: list[Backup], engine: FakeEngine, target: Path, key_file: Path, tmp_path: Path
) -> None:
    job = export(chain[2], target)
    assert (job.status, job.error, job.leftovers) == (JobStatus.SUCCEEDED, "", False)

    words = [str(target), "--key-file", str(key_file)]
    listed = subprocess.run(
        [sys.executable, "-I", str(SCRIPT), *words, "--list"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert [backup.label for backup in chain] == [
        line.split()[0] for line in listed.stdout.splitlines()
    ]
    words += ["--label", chain[2].label, "--to", str(tmp_path / "by-hand")]
    subprocess.run([sys.executable, "-I", str(SCRIPT), *words], check=True, capture_output=True)
    assert contents_of(tmp_path / "by-hand") == engine.files


def test_the_form_of_the_site_adds_the_file_by_name_and_path(
    chain: list[Backup], target: Path, client: Client
) -> None:
    export(chain[2], target)
    client.force_login(make_user("ada", "admin"))
    given = {"name": "moved", "path": str(target)}
    address = reverse("setting-repository-add")
    # As a folder it is refused.
    refused = client.post(f"{address}?kind=folder", {**given, **RETENTION_TYPED})
    assert "another kind: Exported backup" in refused.content.decode()
    client.post(f"{address}?kind=exported", given)
    repository = Repository.objects.get(name="moved")
    assert (repository.kind, repository.enabled) == ("file", False)


def test_another_mooring_takes_the_file_as_a_repository(
    chain: list[Backup], engine: FakeEngine, target: Path, tmp_path: Path
) -> None:
    job = export(chain[2], target)
    job.delete()
    forget(chain)

    added = run_command("addrepository", "moved", "--path", str(target), "--json")
    assert (added.exit_code, added.json()["adopted"]) == (0, True)
    repository = Repository.objects.get(name="moved")
    assert (repository.kind, repository.enabled) == ("file", False)
    assert len(run_command("rebuildcatalog", "moved", "--json").json()["added"]) == 3

    last = BackupCopy.objects.get(backup__label=chain[2].label)
    assert restore(last, tmp_path / "restored").status == JobStatus.SUCCEEDED
    assert contents_of(tmp_path / "restored") == engine.files
    verified = run_here(create_copy_job(Operation.VERIFY, last, wake=False))
    assert (verified.status, verified.error) == (JobStatus.SUCCEEDED, "")


def test_nothing_is_purged_from_a_file(chain: list[Backup], target: Path) -> None:
    export(chain[0], target)
    run_command("addrepository", "moved", "--path", str(target))
    run_command("rebuildcatalog", "moved")
    kept = BackupCopy.objects.get(repository__name="moved")
    Repository.objects.filter(name="moved").update(keep_for=timedelta(seconds=1), keep_least=0)
    judged = next(each for each in judge_copies(now()) if each.copy.pk == kept.pk)
    assert not judged.verdict.may_go
    with pytest.raises(Refused, match="of which nothing is deleted"):
        create_copy_job(Operation.PURGE, kept, parameters=PurgeParameters("x", force=True))


def test_no_backup_goes_to_a_file(chain: list[Backup], orders: Instance, target: Path) -> None:
    export(chain[0], target)
    run_command("addrepository", "moved", "--path", str(target))
    ended = run_command("takebackup", orders.name, "--repository", "moved", "--foreground")
    assert ended.exit_code == 3
    assert "nothing is stored there" in ended.stderr


def test_a_damaged_pack_is_never_passed_on(chain: list[Backup], target: Path) -> None:
    damage(chain[0])
    job = export(chain[2], target)
    assert job.status == JobStatus.FAILED
    assert "SHA-256 does not match" in job.error
    assert not target.exists()
    assert list(target.parent.glob("*.part")) == []


def test_what_a_killed_worker_left_is_removed(chain: list[Backup], target: Path) -> None:
    job = create_export_job(copy_of(chain[0]), target, wake=False)
    assert claim(job, worker="gone:1", exclusive_key="k", now=now())
    own(job, job.fencing_token, leftovers=True)
    # As after a kill -9: nobody closes it.
    ExportWriter(target, job.pk)
    assert unfinished_path(target, job.pk).exists()
    assert lose_expired(now() + timedelta(hours=1))
    remove_leftovers()
    # On a disk that the host of the tick has as well.
    assert not unfinished_path(target, job.pk).exists()
    assert not Job.objects.get(pk=job.pk).leftovers


def test_no_file_is_replaced_and_none_is_put_into_a_repository(
    chain: list[Backup], main: Repository, target: Path, tmp_path: Path
) -> None:
    target.write_bytes(b"mine")
    for path, reason in [
        (target, "exists"),
        (Path(main.path) / "x.tar", "is inside repository main"),
        (tmp_path / "none" / "x.tar", "is not a folder"),
    ]:
        job = export(chain[0], path)
        assert (job.status, reason in job.error) == (JobStatus.REFUSED, True), job.error
    assert target.read_bytes() == b"mine"


def test_the_command_writes_it(chain: list[Backup], target: Path) -> None:
    label = chain[0].label
    ended = run_command("exportbackup", label, "--file", str(target), "--foreground")
    assert ended.exit_code == 0, ended.stderr
    assert ExportedStore(target).holds("instances")
    job = Job.objects.get(operation=Operation.EXPORT)
    names = list(job.stages.order_by("position").values_list("name", flat=True))
    assert names == [
        stage.name for stage in (check_file.CheckFile, write_file.WriteFile, read_file.ReadFile)
    ]
    assert "exportbackup" in why_not_rerun(job)


def test_a_file_that_cannot_be_read_back_is_not_left(
    chain: list[Backup], target: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = ExportWriter.finish

    def damaged(writer: ExportWriter) -> None:
        finish(writer)
        (unfinished,) = target.parent.glob("*.part")
        content = bytearray(unfinished.read_bytes())
        content[len(content) // 2] ^= 1
        unfinished.write_bytes(content)

    monkeypatch.setattr(ExportWriter, "finish", damaged)
    job = export(chain[2], target)
    assert (job.status, job.failed_stage) == (JobStatus.FAILED, "read file")
    assert [*target.parent.glob("*.tar"), *target.parent.glob("*.part")] == []


def test_a_file_is_not_what_remains_of_a_backup(
    chain: list[Backup], target: Path, main: Repository
) -> None:
    export(chain[0], target)
    run_command("addrepository", "moved", "--path", str(target))
    run_command("rebuildcatalog", "moved")
    for backup in reversed(chain[1:]):
        assert purge(backup.copies.get(repository=main)).status == JobStatus.SUCCEEDED
    refused = purge(chain[0].copies.get(repository=main))
    assert refused.status == JobStatus.REFUSED
    assert "is the last restorable backup of" in refused.error


def test_saving_a_repository_does_not_change_what_it_is(chain: list[Backup], target: Path) -> None:
    export(chain[0], target)
    run_command("addrepository", "moved", "--path", str(target))
    row = Repository.objects.get(name="moved")
    # Its disk is unmounted.
    target.unlink()
    values = {name: value for name, value in model_to_dict(row).items() if value is not None}
    form = RepositoryForm(values | {"site": "berlin"}, instance=row)
    assert form.is_valid(), form.errors
    form.save()
    row.refresh_from_db()
    assert (row.kind, row.read_only, row.site) == ("file", True, "berlin")
