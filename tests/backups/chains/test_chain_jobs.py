"""Backups that go on from each other, as jobs: taken, proven, restored, purged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from django.utils.timezone import now
from pytest_django import Settings

from backups.archive.manifest import open_manifest, seal_manifest
from backups.catalog.accept import inspect_changed
from backups.catalog.condition import check_copies
from backups.catalog.evidence import without_faults
from backups.catalog.register import rebuild
from backups.chains.candidates import load_candidates
from backups.chains.planner import Candidate
from backups.checks import failed
from backups.exceptions import Refused
from backups.health.protection_facts import find_candidates, gather_facts, schedules_of
from backups.health.usable import usable_copies
from backups.jobs.request import create_backup_job, create_copy_job
from backups.keys.load import load_keys
from backups.models import Backup, BackupAncestor, BackupCopy, Evidence, Instance, Job, Repository
from backups.parameters import BackupParameters, VerifyParameters
from backups.preflight.checks import Preflight, decide_checks
from backups.running.run import Run
from backups.stages.backup import choose_base
from backups.stages.backup.work import backup_work
from backups.states import CopyStatus, JobStatus, Operation
from backups.transitions.jobs import claim
from tests.backups.archive.stores import contents_of
from tests.backups.conftest import make_repository
from tests.backups.fake_engine import FakeEngine, FakeOptions
from tests.backups.preflight.test_checks import MAIN, SOUND
from tests.backups.taking import Running, prove, purge, restore, run_here, take_backup
from tests.commands import run_command

GIB = 1024**3
pytestmark = pytest.mark.django_db(transaction=True)


def take(instance: Instance, kind: str, *repositories: Repository) -> Backup:
    job = create_backup_job(instance, kind=kind, repositories=repositories or None, wake=False)
    job = run_here(job)
    assert (job.status, job.error) == (JobStatus.SUCCEEDED, "")
    return Backup.objects.get(made_by=job)


@pytest.fixture
def chain(orders: Instance, main: Repository, engine: FakeEngine) -> list[Backup]:
    """A full backup and two incremental ones."""
    backups = [take(orders, "full")]
    for number in range(2):
        engine.files["shop/orders.ibd"] = b"orders" * 9000 + b"%d" % number
        engine.files[f"new{number}.ibd"] = bytes([number + 1]) * 40_000
        backups.append(take(orders, "incremental"))
    return backups


def test_a_full_backup_instead_is_refused_where_only_an_increment_fits(
    orders: Instance, main: Repository
) -> None:
    job = create_backup_job(orders, kind="incremental", wake=False)
    assert claim(job, worker="w", exclusive_key="k", now=now())
    work = backup_work(job, BackupParameters(options=FakeOptions()))
    survey = replace(SOUND, is_link=True, repositories=(replace(MAIN, free_bytes=GIB),))
    work.preflight = Preflight(survey, tuple(decide_checks(survey)))
    assert failed(work.preflight.checks) == []
    with pytest.raises(Refused, match="room in main"):
        choose_base.ChooseBase().run(Run(job), work)


def copy_of(backup: Backup) -> BackupCopy:
    return backup.copies.get()


def forget(chain: list[Backup]) -> None:
    """Lose the catalog's rows of the backups, not their bytes."""
    Job.objects.update(base=None)
    BackupAncestor.objects.all().delete()
    BackupCopy.objects.all().delete()
    for backup in reversed(chain):
        Job.objects.filter(product=backup).delete()
        backup.delete()


def damage(backup: Backup) -> None:
    """Change a byte of the first frame."""
    copy = copy_of(backup)
    pack = Path(copy.repository.path, copy.path, "packs", "000001.pack")
    content = bytearray(pack.read_bytes())
    content[70] ^= 1
    pack.write_bytes(content)


def remove(backup: Backup) -> None:
    """Take a manifest away, as a hand or a lost disk would."""
    copy = copy_of(backup)
    Path(copy.repository.path, copy.path, "manifest.json.zst").unlink()


def test_each_link_restores_what_was_there(
    chain: list[Backup], engine: FakeEngine, tmp_path: Path
) -> None:
    full, first, second = chain
    assert [link.kind for link in chain] == ["full", "incremental", "incremental"]
    assert [link.base for link in chain] == [None, full, first]
    assert list(second.ancestors.values_list("ancestor", flat=True)) == [full.pk, first.pk]
    assert second.label.endswith("-I")
    assert second.raw_bytes is not None
    assert full.raw_bytes is not None
    assert second.raw_bytes < full.raw_bytes / 2
    assert second.restored_bytes == sum(map(len, engine.files.values()))

    assert restore(copy_of(second), tmp_path / "second").status == JobStatus.SUCCEEDED
    assert contents_of(tmp_path / "second") == engine.files
    assert restore(copy_of(first), tmp_path / "first").status == JobStatus.SUCCEEDED
    assert "new1.ibd" not in contents_of(tmp_path / "first")


def test_a_link_shows_what_it_needs(chain: list[Backup]) -> None:
    needs = [run_command("showbackup", backup.label, "--json").json()["needs"] for backup in chain]
    labels = [backup.label for backup in chain]
    assert needs == [[], labels[:1], labels[:2]]


def test_a_differential_is_based_on_the_full_one(chain: list[Backup], orders: Instance) -> None:
    backup = take(orders, "differential")
    assert (backup.kind, backup.base) == ("differential", chain[0])
    assert backup.label.endswith("-D")


def test_without_a_base_it_is_a_full_one(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    backup = take(orders, "incremental")
    job = Job.objects.get(product=backup)
    assert (backup.kind, job.kind, backup.base) == ("full", "full", None)
    stage = job.stages.get(name="choose base")
    assert stage.detail == "full: there is no stored backup to go on from"


def test_a_base_that_cannot_be_read_makes_it_a_full_one(
    chain: list[Backup], orders: Instance
) -> None:
    remove(chain[0])
    backup = take(orders, "incremental")
    assert backup.kind == "full"
    assert "cannot be read" in Job.objects.get(product=backup).stages.get(name="choose base").detail


def test_a_base_whose_table_is_damaged_makes_it_a_full_one(
    chain: list[Backup], orders: Instance
) -> None:
    copy = copy_of(chain[2])
    pack = Path(copy.repository.path, copy.path, "packs", "000001.pack")
    content = bytearray(pack.read_bytes())
    # Its last frame is of the table of its blocks.
    content[content.rindex(b"MFR1") + 40] ^= 1
    pack.write_bytes(content)
    backup = take(orders, "incremental")
    assert backup.kind == "full"
    assert "cannot be read" in Job.objects.get(product=backup).stages.get(name="choose base").detail


def test_a_full_backup_that_is_damaged_is_noticed_when_differences_are_made(
    chain: list[Backup], orders: Instance, engine: FakeEngine
) -> None:
    """The job goes on: the changed blocks are at hand. The next backup is a full one."""
    damage(chain[0])
    engine.files["shop/orders.ibd"] = b"changed" + engine.files["shop/orders.ibd"][7:]
    backup = take(orders, "incremental")
    assert backup.kind == "incremental"
    log = Job.objects.get(product=backup).log_lines.filter(level="warning")
    [line] = log.values_list("text", flat=True)
    assert "stored whole: the full backup cannot be read" in line
    assert f"a verify of {chain[0].label} was requested, which {backup.label} needs" in line
    requested = Job.objects.get(operation=Operation.VERIFY, status=JobStatus.PENDING)
    assert requested.backup == chain[0]
    assert run_here(requested).status == JobStatus.FAILED
    assert take(orders, "incremental").kind == "full"


def test_a_base_that_is_being_deleted_makes_it_a_full_one(
    chain: list[Backup], orders: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Purged after it was chosen, before it was held.
    def chosen(instance: Instance, choice: None) -> list[Candidate]:
        found = load_candidates(instance, choice)
        BackupCopy.objects.filter(backup=chain[2]).update(status=CopyStatus.EXPIRED)
        return found

    monkeypatch.setattr(choose_base, "load_candidates", chosen)
    assert take(orders, "incremental").kind == "full"


def test_a_chain_lives_whole_in_one_repository(
    chain: list[Backup], orders: Instance, tmp_path: Path
) -> None:
    other = make_repository("other", tmp_path / "other")
    backup = take(orders, "incremental", other)
    assert backup.kind == "full"


def test_a_chain_ends_after_its_most_links(
    chain: list[Backup], orders: Instance, settings: Settings
) -> None:
    settings.MOST_LINKS = 2
    assert take(orders, "incremental").kind == "full"
    assert take(orders, "incremental").kind == "incremental"


def verify(backup: Backup) -> Job:
    return run_here(create_copy_job(Operation.VERIFY, copy_of(backup), wake=False))


def test_a_verify_reads_the_whole_chain_and_says_so(chain: list[Backup]) -> None:
    assert verify(chain[2]).status == JobStatus.SUCCEEDED
    report = Evidence.objects.get(copy=copy_of(chain[2])).report
    assert report["with"] == [chain[0].label, chain[1].label]
    assert report["packs"] == 3


def test_pages_of_a_link_are_checked_where_it_stored_them(chain: list[Backup]) -> None:
    asked = VerifyParameters(pages=True)
    job = create_copy_job(Operation.VERIFY, copy_of(chain[2]), parameters=asked, wake=False)
    assert run_here(job).status == JobStatus.SUCCEEDED


def test_damage_of_the_full_one_is_found_by_the_verify_of_a_link(chain: list[Backup]) -> None:
    damage(chain[0])
    job = verify(chain[2])
    assert job.status == JobStatus.FAILED
    assert chain[0].label in job.error


def test_damage_names_what_depends_on_it(chain: list[Backup]) -> None:
    damage(chain[0])
    job = verify(chain[0])
    named = f"needed to restore {chain[1].label}, {chain[2].label}"
    assert named in list(job.log_lines.values_list("text", flat=True))


def test_a_missing_link_makes_unusable_what_needs_it(chain: list[Backup]) -> None:
    assert usable_copies().count() == 3
    remove(chain[1])
    BackupCopy.objects.update(checked_at=None)
    check_copies(now())
    assert [copy.backup for copy in usable_copies()] == [chain[0]]


def test_what_others_need_is_not_purged(chain: list[Backup], orders: Instance) -> None:
    job = purge(copy_of(chain[1]), force=True)
    assert f"{chain[1].label} is needed to restore {chain[2].label}" in job.error
    take_backup(orders)
    assert purge(copy_of(chain[2])).status == JobStatus.SUCCEEDED
    assert purge(copy_of(chain[1])).status == JobStatus.SUCCEEDED


def test_a_base_is_not_purged_while_a_backup_is_based_on_it(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    full = take(orders, "full")
    engine.blocks_after = 2
    engine.goes_on = True
    running = Running(create_backup_job(orders, kind="incremental", wake=False))
    running.reach(engine.blocked)
    try:
        assert f"is based on {full.label}" in purge(copy_of(full), force=True).error
    finally:
        engine.stopped.set()
    assert running.end().status == JobStatus.SUCCEEDED


def test_a_copy_elsewhere_does_not_free_what_is_needed_here(
    orders: Instance, main: Repository, engine: FakeEngine, tmp_path: Path
) -> None:
    other = make_repository("other", tmp_path / "other")
    full = take(orders, "full", main, other)
    link = take(orders, "incremental", main)
    assert link.base == full
    here = full.copies.get(repository=main)
    assert "is needed to restore" in purge(here).error
    assert purge(full.copies.get(repository=other)).status == JobStatus.SUCCEEDED


def put_older_manifest(backup: Backup) -> None:
    """Seal the manifest again with another fact: the same backup by name, of other bytes."""
    copy = copy_of(backup)
    path = Path(copy.repository.path, copy.path, "manifest.json.zst")
    manifest, cipher = open_manifest(path.read_bytes(), load_keys())
    about = {**manifest.about, "written_by": "somebody else"}
    path.write_bytes(seal_manifest(manifest.envelope, about, manifest.contents, cipher))


def test_a_changed_copy_that_others_need_is_not_accepted(chain: list[Backup]) -> None:
    # Their tables name the digest it had: none of them could be restored.
    put_older_manifest(chain[0])
    with pytest.raises(Refused, match=f"needed to restore {chain[1].label}, {chain[2].label}"):
        inspect_changed(copy_of(chain[0]))


def test_a_link_whose_base_was_changed_is_not_registered_again(
    chain: list[Backup], main: Repository
) -> None:
    put_older_manifest(chain[0])
    forget(chain)
    errors = [rebuilt.error for rebuilt in rebuild(main, load_keys())]
    assert errors[0] == ""
    assert f"needs {chain[0].label}, which is missing or has changed" in errors[1]
    assert Backup.objects.count() == 1


def test_a_failed_proof_of_the_base_makes_the_next_a_full_one(
    chain: list[Backup], orders: Instance
) -> None:
    prove(copy_of(chain[2]), Operation.VERIFY, passed=False)
    assert take(orders, "incremental").kind == "full"


def test_a_failed_proof_of_what_the_base_needs_makes_the_next_a_full_one(
    chain: list[Backup], orders: Instance
) -> None:
    prove(copy_of(chain[0]), Operation.VERIFY, passed=False)
    backup = take(orders, "incremental")
    assert backup.kind == "full"
    detail = Job.objects.get(product=backup).stages.get(name="choose base").detail
    assert "needs a backup whose verify or restore test failed" in detail


def test_a_failed_proof_of_the_full_one_speaks_against_its_links(chain: list[Backup]) -> None:
    copies = BackupCopy.objects.all()
    assert without_faults(copies).count() == 3
    prove(copy_of(chain[1]), Operation.RESTORE_TEST, passed=False)
    assert [copy.backup for copy in without_faults(copies)] == [chain[0]]
    prove(copy_of(chain[1]), Operation.RESTORE_TEST, passed=True)
    assert without_faults(copies).count() == 3


def failed_proofs_of(instance: Instance) -> Sequence[str]:
    ids = [instance.pk]
    facts = gather_facts(find_candidates(ids), schedules_of(ids), now())
    return facts[instance.pk].failed_proofs


def test_an_instance_is_at_risk_where_its_newest_backup_needs_a_faulty_one(
    chain: list[Backup], orders: Instance
) -> None:
    assert failed_proofs_of(orders) == []
    prove(copy_of(chain[0]), Operation.VERIFY, passed=False)
    assert failed_proofs_of(orders) == ["verify"]


def test_a_lost_catalog_is_rebuilt_with_its_chains(
    chain: list[Backup], main: Repository, tmp_path: Path, engine: FakeEngine
) -> None:
    label = chain[2].label
    forget(chain)
    assert [rebuilt.error for rebuilt in rebuild(main, load_keys())] == ["", "", ""]
    last = Backup.objects.get(label=label)
    assert last.ancestors.count() == 2
    assert restore(copy_of(last), tmp_path / "out").status == JobStatus.SUCCEEDED
    assert contents_of(tmp_path / "out") == engine.files
