"""A chain becomes a full backup of its own: as a job, and by its schedule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models import F
from django.utils.timezone import now

from backups.archive.blocks import consolidate
from backups.catalog.register import rebuild
from backups.chains.due import consolidate_chains
from backups.exceptions import CancelRequested, Refused, RepositoryError
from backups.executor.leftovers import lose_expired, remove_leftovers
from backups.jobs.consolidation import create_consolidate_job
from backups.jobs.repeat import rerun
from backups.jobs.request import create_backup_job
from backups.keys.load import load_keys
from backups.models import (
    Backup,
    BackupCopy,
    BackupSchedule,
    Evidence,
    Instance,
    Job,
    Occurrence,
    Repository,
)
from backups.parameters import ConsolidateParameters
from backups.retention.expiry import expire_backups
from backups.stages.consolidate import open_chain
from backups.states import CopyStatus, JobStatus, Operation
from tests.backups.archive.stores import contents_of
from tests.backups.chains.test_chain_jobs import copy_of, damage, forget, take, verify
from tests.backups.conftest import make_repository
from tests.backups.fake_engine import FakeEngine
from tests.backups.planning import make_schedule
from tests.backups.taking import made_by_schedule, prove, purge, restore, run_here, stored_files
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def chain(orders: Instance, main: Repository, engine: FakeEngine) -> list[Backup]:
    """A full backup and two incremental ones."""
    backups = [take(orders, "full")]
    for number in range(2):
        engine.files["shop/orders.ibd"] = b"orders" * 9000 + b"%d" % number
        engine.files[f"new{number}.ibd"] = bytes([number + 1]) * 40_000
        backups.append(take(orders, "incremental"))
    return backups


def request(backup: Backup) -> Job:
    return create_consolidate_job(backup.copies.earliest("id"), wake=False)


def made_of(backup: Backup) -> Backup:
    job = run_here(request(backup))
    assert (job.status, job.error) == (JobStatus.SUCCEEDED, "")
    return Backup.objects.get(made_by=job)


def test_it_is_a_full_backup_of_the_moment_of_the_link(
    chain: list[Backup], engine: FakeEngine, tmp_path: Path
) -> None:
    link, copies = chain[2], engine.copies
    made = made_of(link)
    assert engine.copies == copies
    assert (made.kind, made.base, made.consolidated_from) == ("full", None, link.label)
    # The seconds may be those of another full backup.
    assert made.label.startswith(f"orders-1@{link.started_at:%Y%m%dT%H}")
    assert made.label.endswith("Z-F")
    # Of the two it is the newer, by as little as there is.
    assert made.ended_at == link.ended_at + timedelta(microseconds=1)
    same = ["started_at", "to_lsn", "binlog_file", "binlog_position", "gtid_executed"]
    same += ("server_version", "engine", "facts", "restored_bytes", "file_count")
    assert [getattr(made, name) for name in same] == [getattr(link, name) for name in same]
    assert made.lock_time is None
    assert not made.ancestors.exists()
    assert restore(copy_of(made), tmp_path / "out").status == JobStatus.SUCCEEDED
    assert contents_of(tmp_path / "out") == engine.files
    assert verify(made).status == JobStatus.SUCCEEDED


def test_the_old_chain_can_go_and_the_next_backup_is_based_on_it(
    chain: list[Backup], orders: Instance, engine: FakeEngine, tmp_path: Path
) -> None:
    made = made_of(chain[2])
    link = take(orders, "incremental")
    assert link.base == made
    for backup in reversed(chain):
        assert purge(copy_of(backup)).status == JobStatus.SUCCEEDED
    assert restore(copy_of(link), tmp_path / "out").status == JobStatus.SUCCEEDED
    assert contents_of(tmp_path / "out") == engine.files
    again = made_of(link)
    assert again.consolidated_from == link.label


def test_it_is_made_once(chain: list[Backup]) -> None:
    made = made_of(chain[2])
    with pytest.raises(Refused, match=f"consolidated already: {made.label}"):
        request(chain[2])
    assert purge(copy_of(made)).status == JobStatus.SUCCEEDED
    # Rows of purged backups keep their labels.
    assert made_of(chain[2]).label != made.label


def test_what_cannot_be_made_is_refused(chain: list[Backup]) -> None:
    with pytest.raises(Refused, match="is a full backup: it needs no other"):
        request(chain[0])
    job = request(chain[2])
    with pytest.raises(Refused, match="already queued or running"):
        request(chain[2])
    run_here(job)
    # Requested in the same moment as another: what it would make is there by now.
    late = Job.objects.create(
        operation=Operation.CONSOLIDATE,
        instance=job.instance,
        backup=job.backup,
        copy=job.copy,
        engine=job.engine,
        parameters=ConsolidateParameters().write(),
    )
    late.repositories.set(job.repositories.all())
    assert run_here(late).status == JobStatus.REFUSED
    with pytest.raises(Refused, match="consolidated already"):
        rerun(job, requested_by=None)  # type: ignore[arg-type]


def test_a_full_disk_is_seen_before(
    chain: list[Backup], main: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_chain, "RESERVE_BYTES", 1 << 60)
    job = run_here(request(chain[2]))
    assert job.status == JobStatus.REFUSED
    assert "kept in reserve" in job.error
    assert not job.leftovers


def test_the_command_and_what_is_shown(chain: list[Backup]) -> None:
    ended = run_command("consolidatebackup", chain[2].label, "--foreground", "--json")
    assert (ended.exit_code, ended.json()["status"]) == (0, "succeeded")
    made = Backup.objects.get(consolidated_from=chain[2].label)
    assert ended.json()["label"] == made.label
    shown = run_command("showbackup", made.label, "--json").json()
    assert (shown["consolidated_from"], shown["needs"]) == (chain[2].label, [])
    again = run_command("consolidatebackup", chain[2].label, "--foreground", "--json")
    assert again.exit_code == 3
    assert run_command("consolidatebackup", "nobody", "--foreground").exit_code == 2


def test_it_goes_where_the_link_is_read_from_one_copy(
    orders: Instance, main: Repository, engine: FakeEngine, tmp_path: Path
) -> None:
    other = make_repository("other", tmp_path / "other")
    for kind in ("full", "incremental"):
        link = take(orders, kind, main, other)
    damage_first = link.copies.get(repository=main)
    Path(main.path, damage_first.path, "packs", "000001.pack").unlink()
    job = create_consolidate_job(link.copies.get(repository=other), wake=False)
    assert run_here(job).status == JobStatus.SUCCEEDED
    made = Backup.objects.get(made_by=job)
    assert {copy.repository for copy in made.copies.all()} == {main, other}


def test_a_damaged_chain_makes_nothing_and_is_named(chain: list[Backup], main: Repository) -> None:
    damage(chain[0])
    before = stored_files(main)
    job = run_here(request(chain[2]))
    assert job.status == JobStatus.FAILED
    assert f"{chain[0].label} is damaged: " in job.error
    assert "verify" in job.hint
    assert stored_files(main) == before
    assert not job.leftovers
    log = " ".join(job.log_lines.values_list("text", flat=True))
    assert f"needed to restore {chain[1].label}, {chain[2].label}" in log


@pytest.mark.parametrize("damaged", range(3))
def test_it_leaves_evidence_against_the_copy_that_is_damaged(
    chain: list[Backup], damaged: int
) -> None:
    damage(chain[damaged])
    assert run_here(request(chain[2])).status == JobStatus.FAILED
    evidence = Evidence.objects.get()
    assert (evidence.copy, evidence.passed) == (copy_of(chain[damaged]), False)
    assert (evidence.operation, evidence.is_current) == (Operation.VERIFY, True)
    assert evidence.report["consolidation_of"] == chain[2].label


def test_a_repository_that_does_not_answer_is_no_evidence(
    chain: list[Backup], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backups.archive.reader.BackupReader.read_compressed", unreachable)
    job = run_here(request(chain[2]))
    assert (job.status, job.error) == (JobStatus.FAILED, "merge failed: no answer")
    assert not Evidence.objects.exists()


def unreachable(*_: object) -> object:
    raise RepositoryError("no answer", transient=True)


def test_a_lost_worker_leaves_a_part_that_the_tick_removes(
    chain: list[Backup], main: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = stored_files(main)
    # As after a kill -9: nothing is cleaned up, nothing is written to the row.
    monkeypatch.setattr("backups.executor.execute._clean_up", lambda *_: None)
    monkeypatch.setattr("backups.executor.execute._settle", lambda *_: None)
    monkeypatch.setattr("backups.stages.backup.manifest.seal_manifest", stop)
    job = run_here(request(chain[2]))
    assert (job.status, job.leftovers) == (JobStatus.RUNNING, True)
    assert len(stored_files(main)) > len(before)
    Job.objects.filter(pk=job.pk).update(lease_expires_at=now())
    assert lose_expired(now()) == 1
    assert remove_leftovers() == 1
    assert stored_files(main) == before
    monkeypatch.undo()


def stop(*_: object) -> bytes:
    raise CancelRequested


def test_nothing_of_the_chain_is_purged_meanwhile(
    chain: list[Backup], main: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []

    def purge_first(*args: object, **options: object) -> object:
        found.extend(purge(copy_of(backup), force=True).error for backup in reversed(chain))
        return merge(*args, **options)  # type: ignore[arg-type]

    merge = consolidate.consolidate
    monkeypatch.setattr("backups.stages.consolidate.merge.consolidate", purge_first)
    made_of(chain[2])
    assert [any(word in error for word in ("is reading", "needed to")) for error in found] == [
        True, True, True,
    ]  # fmt: skip


def test_a_lost_catalog_is_rebuilt_with_it(chain: list[Backup], main: Repository) -> None:
    made = made_of(chain[2])
    Job.objects.filter(operation=Operation.CONSOLIDATE).delete()
    forget([*chain, made])
    assert [rebuilt.error for rebuilt in rebuild(main, load_keys())] == [""] * 4
    assert Backup.objects.get(label=made.label).consolidated_from == chain[2].label


# By schedule


@pytest.fixture
def plan(orders: Instance, chain: list[Backup]) -> BackupSchedule:
    schedule = make_schedule(orders, kind="incremental", consolidate_after=2)
    for backup in chain:
        made_by_schedule(schedule, backup)
    return schedule


def consolidations() -> list[Job]:
    return list(Job.objects.filter(operation=Operation.CONSOLIDATE).order_by("id"))


def test_a_schedule_consolidates_a_chain_of_its_length(
    plan: BackupSchedule, chain: list[Backup]
) -> None:
    assert consolidate_chains(now()) == 1
    # Neither twice, nor again while it is queued.
    assert consolidate_chains(now()) == 0
    (job,) = consolidations()
    event = job.events.order_by("id").first()
    assert (job.backup, event and event.actor) == (chain[2], "schedule nightly")
    assert run_here(job).status == JobStatus.SUCCEEDED
    assert consolidate_chains(now() + timedelta(days=2)) == 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda plan, chain: BackupSchedule.objects.update(consolidate_after=3),
        lambda plan, chain: BackupSchedule.objects.update(consolidate_after=None),
        lambda plan, chain: BackupSchedule.objects.update(paused_at=now()),
        lambda plan, chain: BackupSchedule.objects.update(enabled=False),
        lambda plan, chain: Instance.objects.update(enabled=False),
        lambda plan, chain: prove(copy_of(chain[0]), Operation.VERIFY, passed=False),
        lambda plan, chain: BackupCopy.objects.filter(backup=chain[1]).update(fault="missing"),
        lambda plan, chain: create_backup_job(chain[0].instance, wake=False),
        lambda plan, chain: take(chain[0].instance, "full"),
    ],
)
def test_it_is_not_due(
    plan: BackupSchedule, chain: list[Backup], spoil: Callable[[BackupSchedule, list[Backup]], None]
) -> None:
    spoil(plan, chain)
    assert consolidate_chains(now()) == 0


def test_a_failed_one_is_tried_again_a_day_later(
    plan: BackupSchedule, chain: list[Backup], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backups.archive.reader.BackupReader.read_compressed", unreachable)
    assert consolidate_chains(now()) == 1
    assert run_here(consolidations()[0]).status == JobStatus.FAILED
    assert consolidate_chains(now()) == 0
    assert consolidate_chains(now() + timedelta(days=1, minutes=1)) == 1


def test_a_damaged_chain_is_not_tried_again(plan: BackupSchedule, chain: list[Backup]) -> None:
    damage(chain[0])
    assert consolidate_chains(now()) == 1
    assert run_here(consolidations()[0]).status == JobStatus.FAILED
    later = now() + timedelta(days=1, minutes=1)
    assert consolidate_chains(later) == 0
    # The disk was put right.
    damage(chain[0])
    verify(chain[0])
    assert consolidate_chains(later) == 1


def test_its_schedule_keeps_the_new_one_and_lets_the_old_chain_go_as_a_whole(
    plan: BackupSchedule, chain: list[Backup], orders: Instance
) -> None:
    BackupSchedule.objects.update(keep_for=timedelta(days=1), keep_least=1)
    made = made_of(chain[2])
    prove(copy_of(made), Operation.VERIFY, passed=True)
    assert made.made_by is not None
    assert made.made_by.occurrence == Occurrence.objects.get(job=chain[2].made_by)
    Backup.objects.update(ended_at=F("ended_at") - timedelta(days=2))
    for _ in range(4):
        expire_backups(now())
        for job in Job.objects.filter(operation=Operation.PURGE, status=JobStatus.PENDING):
            assert run_here(job).status == JobStatus.SUCCEEDED
    stored = Backup.objects.filter(copies__status=CopyStatus.STORED)
    assert list(stored) == [made]
    assert take(orders, "incremental").base == made
