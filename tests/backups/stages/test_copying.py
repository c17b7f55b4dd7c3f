"""A backup is copied to another repository byte for byte, with its chain, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils.timezone import now

from backups.archive import copy_packs
from backups.exceptions import BadInput, CancelRequested, LeaseLost, Refused, RepositoryError
from backups.executor.leftovers import lose_expired, remove_leftovers
from backups.jobs.copying import create_copying_job, plan_copying, possible_targets
from backups.jobs.repeat import rerun
from backups.jobs.request import create_copy_job
from backups.models import Backup, BackupCopy, Evidence, Instance, Job, Repository, WantedCopy
from backups.models.wanted_copy import WantCause
from backups.stages.copying import copy_backups, open_source
from backups.states import CopyStatus, JobStatus, Operation
from backups.transitions.wanted_copies import want_copy
from tests.backups.archive.stores import contents_of
from tests.backups.chains.test_chain_jobs import damage, take
from tests.backups.conftest import make_repository
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import purge, restore, run_here, stored_files
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def offsite(main: Repository, tmp_path: Path) -> Repository:
    return make_repository("offsite", tmp_path / "offsite")


@pytest.fixture
def chain(orders: Instance, main: Repository, engine: FakeEngine) -> list[Backup]:
    """A full backup and two incremental ones, in one repository."""
    backups = [take(orders, "full", main)]
    for number in range(2):
        engine.files["shop/orders.ibd"] = b"orders" * 9000 + b"%d" % number
        engine.files[f"new{number}.ibd"] = bytes([number + 1]) * 40_000
        backups.append(take(orders, "incremental", main))
    return backups


def copy_job(backup: Backup, target: Repository) -> Job:
    return create_copying_job(backup.copies.earliest("id"), target, wake=False)


def copied(backup: Backup, target: Repository) -> Job:
    job = run_here(copy_job(backup, target))
    assert (job.status, job.error) == (JobStatus.SUCCEEDED, "")
    return job


def test_a_chain_is_copied_whole_and_restored_from_there(
    chain: list[Backup], main: Repository, offsite: Repository, engine: FakeEngine, tmp_path: Path
) -> None:
    copies = engine.copies
    for link in chain:
        want_copy(link, offsite, WantCause.FAILED, error="it failed")
    job = copied(chain[2], offsite)
    # The server was not asked, and the bytes are the same.
    assert engine.copies == copies
    for name in stored_files(main):
        if name != "mooring.json":
            assert Path(main.path, name).read_bytes() == Path(offsite.path, name).read_bytes()
    assert stored_files(main) == stored_files(offsite)
    for link in chain:
        here, there = link.copies.get(repository=main), link.copies.get(repository=offsite)
        same = ("path", "stored_bytes", "pack_count", "key_id", "manifest_digest")
        assert [getattr(here, name) for name in same] == [getattr(there, name) for name in same]
    assert not WantedCopy.objects.exists()
    assert (job.leftovers, job.base) == (False, None)
    stored = sum(copy.stored_bytes for copy in BackupCopy.objects.filter(repository=offsite))
    assert (job.bytes_done, job.bytes_total) == (stored, stored)
    links = job.stages.exclude(parent=None).order_by("position")
    assert list(links.values_list("name", flat=True)) == ["full backup", "link 1", "link 2"]
    # Proof is per copy.
    assert not Evidence.objects.exists()
    there = chain[2].copies.get(repository=offsite)
    assert restore(there, tmp_path / "out").status == JobStatus.SUCCEEDED
    assert contents_of(tmp_path / "out") == engine.files


def test_only_what_is_missing_is_copied(chain: list[Backup], offsite: Repository) -> None:
    copied(chain[0], offsite)
    plan = plan_copying(chain[2].copies.get(), offsite)
    assert [copy.backup for copy in plan.missing] == chain[1:]
    copied(chain[2], offsite)
    with pytest.raises(Refused, match="is in offsite already"):
        copy_job(chain[2], offsite)


def test_it_is_requested_once(chain: list[Backup], offsite: Repository) -> None:
    job = copy_job(chain[2], offsite)
    with pytest.raises(Refused, match="to offsite already"):
        copy_job(chain[2], offsite)
    assert run_here(job).status == JobStatus.SUCCEEDED


def test_the_next_increment_goes_to_both_again(
    chain: list[Backup], main: Repository, offsite: Repository, orders: Instance
) -> None:
    copied(chain[2], offsite)
    link = take(orders, "incremental", main, offsite)
    assert (link.base, link.copies.count()) == (chain[2], 2)


def test_where_it_cannot_go(
    chain: list[Backup], main: Repository, offsite: Repository, tmp_path: Path
) -> None:
    source = chain[2].copies.get()
    with pytest.raises(BadInput, match="where it is"):
        plan_copying(source, main)
    plain = make_repository("plain", tmp_path / "plain", encrypted=False)
    with pytest.raises(
        BadInput, match="is encrypted, and backups in plain are to be not encrypted"
    ):
        plan_copying(source, plain)
    assert possible_targets(chain[2]) == [offsite]
    Repository.objects.filter(pk=offsite.pk).update(enabled=False)
    with pytest.raises(Refused, match="offsite is disabled"):
        plan_copying(source, Repository.objects.get(pk=offsite.pk))


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        ({"fault": "missing", "fault_detail": "no manifest"}, "is damaged: no manifest"),
        ({"key_fault": "no key opens it"}, "is damaged: no key opens it"),
        ({"manifest_digest": "0" * 64}, "has another manifest than"),
        ({"status": CopyStatus.EXPIRED}, "is being purged"),
        ({"status": CopyStatus.PURGED}, "was purged: a copy that was purged is not made again"),
    ],
)
def test_a_chain_that_is_spoilt_there_is_not_gone_on_with(
    chain: list[Backup], offsite: Repository, spoilt: dict[str, str], reason: str
) -> None:
    copied(chain[0], offsite)
    BackupCopy.objects.filter(repository=offsite).update(**spoilt)
    with pytest.raises(Refused, match=reason):
        copy_job(chain[2], offsite)


def test_damage_is_recorded_and_another_copy_is_named(
    orders: Instance, main: Repository, offsite: Repository, engine: FakeEngine, tmp_path: Path
) -> None:
    third = make_repository("third", tmp_path / "third")
    backup = take(orders, "full", main, third)
    pack = next(Path(main.path).rglob("*.pack"))
    content = bytearray(pack.read_bytes())
    content[70] ^= 1
    pack.write_bytes(content)
    job = run_here(create_copying_job(backup.copies.get(repository=main), offsite, wake=False))
    assert job.status == JobStatus.FAILED
    assert "is damaged: " in job.error
    assert "SHA-256" in job.error
    assert "--from third" in job.hint
    evidence = Evidence.objects.get()
    assert (evidence.copy.repository, evidence.passed, evidence.operation) == (
        main, False, Operation.VERIFY,
    )  # fmt: skip
    assert stored_files(offsite) == ["mooring.json"]
    assert not job.leftovers
    # The command chooses the sound one by itself.
    ended = run_command("copybackup", backup.label, "--to", "offsite", "--foreground", "--json")
    assert (ended.exit_code, ended.json()["status"]) == (0, "succeeded")


def test_a_pack_that_is_missing_is_damage_too(chain: list[Backup], offsite: Repository) -> None:
    copy = chain[1].copies.get()
    Path(copy.repository.path, copy.path, "packs", "000001.pack").unlink()
    job = run_here(copy_job(chain[2], offsite))
    assert (job.status, job.failed_stage) == (JobStatus.FAILED, "open source")
    assert Evidence.objects.get().copy == copy
    assert "no other copy of it is known to be sound" in job.hint
    assert stored_files(offsite) == ["mooring.json"]


def test_a_damaged_link_leaves_the_ones_before_it(chain: list[Backup], offsite: Repository) -> None:
    damage(chain[1])
    wanted = want_copy(chain[2], offsite, WantCause.NO_CHAIN)
    job = run_here(copy_job(chain[2], offsite))
    assert job.status == JobStatus.FAILED
    assert [copy.backup for copy in BackupCopy.objects.filter(repository=offsite)] == chain[:1]
    wanted.refresh_from_db()
    assert (wanted.error, wanted.hint, wanted.job) == (job.error, job.hint, job)


def test_a_full_disk_is_seen_before(
    chain: list[Backup], offsite: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_source, "RESERVE_BYTES", 1 << 60)
    job = run_here(copy_job(chain[2], offsite))
    assert job.status == JobStatus.REFUSED
    assert "kept in reserve" in job.error


Kill = Callable[[pytest.MonkeyPatch], None]


def stop(*_: object, **__: object) -> Any:
    raise CancelRequested


def gone(*_: object, **__: object) -> Any:
    raise RepositoryError("no answer")


POINTS: dict[str, Kill] = {
    "in the packs": lambda patch: patch.setattr(copy_packs, "pack_name", stop),
    "at the manifest": lambda patch: patch.setattr(copy_backups, "_copy_manifest", stop),
    "when it is read back": lambda patch: patch.setattr(copy_backups, "open_packs", stop),
    "at its registration": lambda patch: patch.setattr(copy_backups, "register_copy", stop),
}


@pytest.mark.parametrize("point", POINTS)
def test_a_lost_worker_leaves_what_the_tick_removes_and_the_next_goes_on(
    chain: list[Backup], offsite: Repository, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    copied(chain[0], offsite)
    before = stored_files(offsite)
    with monkeypatch.context() as patch:
        # As after a kill -9: nothing is cleaned up, nothing is written to the row.
        patch.setattr("backups.executor.execute._clean_up", lambda *_: None)
        patch.setattr("backups.executor.execute._settle", lambda *_: None)
        POINTS[point](patch)
        job = run_here(copy_job(chain[2], offsite))
    assert (job.status, job.leftovers, job.label) == (JobStatus.RUNNING, True, chain[1].label)
    Job.objects.filter(pk=job.pk).update(lease_expires_at=now())
    assert lose_expired(now()) == 1
    # Until a tick has removed it, nothing is written there.
    refused = run_here(copy_job(chain[2], offsite))
    assert refused.status == JobStatus.REFUSED
    assert "is not removed yet" in refused.error
    assert remove_leftovers() == 1
    assert stored_files(offsite) == before
    copied(chain[2], offsite)


@pytest.mark.parametrize("point", POINTS)
def test_a_cancelled_one_leaves_nothing(
    chain: list[Backup], offsite: Repository, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    with monkeypatch.context() as patch:
        POINTS[point](patch)
        job = run_here(copy_job(chain[0], offsite))
    assert (job.status, job.leftovers) == (JobStatus.CANCELLED, False)
    assert stored_files(offsite) == ["mooring.json"]


def test_leftovers_of_the_backup_itself_are_removed_first(
    chain: list[Backup], offsite: Repository
) -> None:
    made_by = chain[0].made_by
    assert made_by is not None
    made_by.repositories.add(offsite)
    Job.objects.filter(pk=made_by.pk).update(leftovers=True)
    assert run_here(copy_job(chain[0], offsite)).status == JobStatus.REFUSED
    assert remove_leftovers() == 1
    copied(chain[0], offsite)


def test_what_is_being_written_is_never_taken_for_leftovers(
    chain: list[Backup], offsite: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_by = chain[0].made_by
    assert made_by is not None
    made_by.repositories.add(offsite)
    cleared: list[int] = []

    def clear_up(*args: Any, **options: Any) -> None:
        # As where somebody's list of what to clear up is older than the copy.
        Job.objects.filter(pk=made_by.pk).update(leftovers=True)
        cleared.append(remove_leftovers())
        copy_packs.copy_packs(*args, **options)

    monkeypatch.setattr(copy_backups, "copy_packs", clear_up)
    copied(chain[0], offsite)
    assert cleared == [0]
    assert remove_leftovers() == 1


def test_nothing_of_it_is_purged_meanwhile(
    chain: list[Backup], main: Repository, offsite: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(chain[0], offsite)
    found: list[str] = []

    def purge_first(*args: Any, **options: Any) -> None:
        if not found:
            sources = [link.copies.get(repository=main) for link in reversed(chain)]
            base = chain[0].copies.get(repository=offsite)
            found.extend(purge(copy, force=True).error for copy in [*sources, base])
        copy_packs.copy_packs(*args, **options)

    monkeypatch.setattr(copy_backups, "copy_packs", purge_first)
    copied(chain[2], offsite)
    words = ("is reading", "needed to", "needed to", "is based on")
    assert [word in error for word, error in zip(words, found, strict=True)] == [True] * 4


def test_an_unregistered_backup_there_is_left_alone(
    chain: list[Backup], main: Repository, offsite: Repository
) -> None:
    copied(chain[0], offsite)
    files = stored_files(offsite)
    BackupCopy.objects.filter(repository=offsite).delete()
    job = run_here(copy_job(chain[0], offsite))
    assert job.status == JobStatus.FAILED
    assert job.hint == "Run ./mooring manage rebuildcatalog offsite."
    assert stored_files(offsite) == files


def test_a_repository_that_fails_is_no_evidence_and_it_can_be_run_again(
    chain: list[Backup], offsite: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("backups.repositories.directory.DirectoryUpload.commit", gone)
        job = run_here(copy_job(chain[0], offsite))
    assert (job.status, job.error) == (JobStatus.FAILED, "copy backups failed: no answer")
    assert not Evidence.objects.exists()
    again = rerun(job, requested_by=None)  # type: ignore[arg-type]
    assert run_here(again).status == JobStatus.SUCCEEDED


def test_the_command_shows_what_it_would_copy(chain: list[Backup], offsite: Repository) -> None:
    asked = ("copybackup", chain[2].label, "--to", "offsite")
    shown = run_command(*asked, "--dry-run", "--json").json()
    assert [copy["label"] for copy in shown["copies"]] == [link.label for link in chain]
    assert (shown["from"], shown["to"]) == ("main", "offsite")
    assert shown["stored_bytes"] == sum(copy["stored_bytes"] for copy in shown["copies"])
    assert stored_files(offsite) == ["mooring.json"]
    assert not Job.objects.filter(operation=Operation.COPY).exists()
    assert "nothing was changed" in run_command(*asked, "--dry-run").stdout
    ended = run_command(*asked, "--from", "main", "--foreground", "--json")
    assert (ended.exit_code, ended.json()["operation"]) == (0, "copy")
    assert run_command(*asked, "--foreground").exit_code == 3
    assert run_command("copybackup", "nothing", "--to", "offsite").exit_code == 2
    assert run_command("copybackup", chain[0].label, "--to", "nowhere").exit_code == 2


def test_the_command_gives_up_a_missing_copy(chain: list[Backup], offsite: Repository) -> None:
    asked = ("copybackup", chain[0].label, "--to", "offsite", "--give-up", "the site is closed")
    assert run_command(*asked).exit_code == 2
    want_copy(chain[0], offsite, WantCause.FAILED, error="it failed")
    assert run_command(*asked, "--json").json()["reason"] == "the site is closed"
    wanted = WantedCopy.objects.get()
    assert (wanted.dropped_at is None, wanted.dropped_reason) == (False, "the site is closed")


def test_one_that_lost_its_lease_leaves_the_copy_of_its_successor(
    chain: list[Backup], offsite: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: object, **__: object) -> Any:
        """As after a suspension: others have taken it for dead, cleared up and made the copy."""
        late_patch.undo()
        Job.objects.filter(pk=job.pk).update(lease_expires_at=now())
        assert lose_expired(now()) == 1
        assert remove_leftovers() == 1
        copied(chain[0], offsite)
        raise LeaseLost("its lease expired before it could be renewed")

    job = copy_job(chain[0], offsite)
    with monkeypatch.context() as late_patch:
        late_patch.setattr(copy_backups, "_copy_manifest", late)
        run_here(job)
    made = BackupCopy.objects.get(backup=chain[0], repository=offsite)
    verified = run_here(create_copy_job(Operation.VERIFY, made, wake=False))
    assert (verified.status, verified.error) == (JobStatus.SUCCEEDED, "")


def test_where_nothing_may_be_deleted_an_attempt_goes_on_with_what_is_there(
    chain: list[Backup], offsite: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    Repository.objects.filter(pk=offsite.pk).update(write_only=True)
    offsite.refresh_from_db()
    with monkeypatch.context() as patch:
        patch.setattr(copy_backups, "_copy_manifest", gone)
        assert run_here(copy_job(chain[0], offsite)).status == JobStatus.FAILED
    assert [Path(name).suffix for name in stored_files(offsite) if "packs" in name] == [".pack"]
    copied(chain[0], offsite)
