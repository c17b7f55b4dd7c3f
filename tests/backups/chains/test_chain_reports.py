"""What is reported of each backup of a chain: what was read, what that proves, what changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.catalog.evidence import without_faults
from backups.models import Backup, BackupCopy, Evidence, Instance, Job, Repository
from backups.stages import link_stages
from backups.states import JobStatus, Operation
from backups.units import format_bytes
from tests.backups.chains.test_chain_jobs import copy_of, damage, take, verify
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import prove, restore
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def chain(orders: Instance, main: Repository, engine: FakeEngine) -> list[Backup]:
    """A full backup and two incremental ones."""
    backups = [take(orders, "full")]
    for number in range(2):
        engine.files[f"shop/t{number}.ibd"] = bytes([number + 1]) * 40_000
        backups.append(take(orders, "incremental"))
    return backups


def test_a_verify_proves_what_the_backup_needs_as_well(chain: list[Backup]) -> None:
    job = verify(chain[2])
    for backup in chain[:2]:
        evidence = Evidence.objects.get(copy=copy_of(backup))
        assert (evidence.passed, evidence.job) == (True, None)
        assert evidence.report["part_of"] == chain[2].label
        assert evidence.report["packs"] == 1
    assert Evidence.objects.get(job=job).copy == copy_of(chain[2])


def test_damage_found_from_above_stands_against_the_backup_that_has_it(
    chain: list[Backup],
) -> None:
    damage(chain[0])
    verify(chain[2])
    newest = {evidence.copy.backup: evidence.passed for evidence in Evidence.objects.order_by("id")}
    assert newest == {chain[0]: False, chain[1]: True, chain[2]: False}
    # The one between needs the damaged one too, and nobody verified it.
    assert not without_faults(BackupCopy.objects.all()).exists()


def test_a_verify_from_above_does_not_hide_damaged_pages(chain: list[Backup]) -> None:
    found = prove(copy_of(chain[0]), Operation.VERIFY, passed=False)
    Evidence.objects.filter(pk=found.pk).update(report={"pages": {"damaged": 1}})
    verify(chain[2])
    assert not Evidence.objects.get(copy=copy_of(chain[0])).passed
    assert Evidence.objects.get(copy=copy_of(chain[1])).passed


def links_of(job: Job) -> list[tuple[str, str]]:
    """The sub-operations of a job's stage that reads a chain."""
    rows = job.stages.exclude(parent=None).order_by("position")
    return list(rows.values_list("name", "detail"))


def test_a_verify_says_what_it_read_of_each_link(chain: list[Backup]) -> None:
    job = verify(chain[2])
    links = links_of(job)
    assert job.log_lines.filter(text=f"orders-1@{links[1][1]}").exists()
    assert [name for name, _ in links] == ["full backup", "link 1", "link 2"]
    for backup, (_, detail) in zip(chain, links, strict=True):
        size = format_bytes(backup.stored_bytes or 0)
        assert f"orders-1@{detail}".startswith(f"{backup.label}: {size} of {size} read, ")


def test_a_restore_says_what_it_read_of_each_link(chain: list[Backup], tmp_path: Path) -> None:
    job = restore(copy_of(chain[2]), tmp_path / "out")
    links = links_of(job)
    assert [name for name, _ in links] == ["full backup", "link 1", "link 2"]
    # Each has a frame of files and one of its block table, which is read block by block.
    assert all(detail.endswith("1 of 2 frames") for _, detail in links)
    assert "; 3 backups: " in job.stages.get(name="extract").detail


def test_a_backup_that_stands_alone_has_no_links(chain: list[Backup], tmp_path: Path) -> None:
    assert links_of(verify(chain[0])) == links_of(restore(copy_of(chain[0]), tmp_path / "o")) == []


def test_the_links_of_a_long_chain_are_only_summed_up(
    chain: list[Backup], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_stages, "MOST_LINKS_LISTED", 2)
    job = verify(chain[2])
    assert (job.status, links_of(job)) == (JobStatus.SUCCEEDED, [])
    assert "; 3 backups: " in job.stages.get().detail


def test_the_contents_of_a_link_say_what_changed(
    chain: list[Backup], orders: Instance, engine: FakeEngine
) -> None:
    engine.files["shop/fresh.ibd"] = bytes([7]) * 40_000
    engine.files["shop/orders.ibd"] = b"ORDERS" + engine.files["shop/orders.ibd"][6:]
    del engine.files["shop/visits.MYD"]
    label = take(orders, "incremental").label
    shown = run_command("showbackup", label, "--json").json()
    assert shown["changed_since"] == chain[2].label
    changes = shown["changes"]
    found = {
        change["name"]: (change["how"], change["stored_bytes"]) for change in changes["tables"]
    }
    assert found == {"fresh": ("new", 40_000), "orders": ("changed", 16_384)}
    assert [change["name"] for change in changes["dropped"]] == ["visits"]
    assert f"1 tables changed, 1 new, 0 renamed, 1 dropped since {chain[2].label}" in (
        run_command("showbackup", label).stdout
    )


def test_a_full_backup_is_compared_with_the_one_before(
    chain: list[Backup], orders: Instance, engine: FakeEngine
) -> None:
    engine.files["shop/orders.ibd"] += bytes(16_384)
    shown = run_command("showbackup", take(orders, "full").label, "--json").json()
    assert shown["changed_since"] == chain[2].label
    (change,) = shown["changes"]["tables"]
    assert (change["name"], change["stored_bytes"]) == ("orders", None)
    assert run_command("showbackup", chain[0].label, "--json").json()["changes"] is None


def test_lists_do_not_call_proven_what_cannot_be_restored(chain: list[Backup]) -> None:
    prove(copy_of(chain[2]), Operation.VERIFY, passed=True)
    prove(copy_of(chain[1]), Operation.VERIFY, passed=False)
    needs = f"it needs {chain[1].label}, which failed its verify in main"
    rows = {
        listed["label"]: listed for listed in run_command("listbackups", "--json").json()["backups"]
    }
    found = [rows[backup.label]["proof"] for backup in chain]
    assert found == ["not proven yet", "VERIFY FAILED", f"NOT RESTORABLE: {needs}"]
    assert rows[chain[2].label]["not_restorable"] == needs
    shown = run_command("showbackup", chain[2].label, "--json").json()
    assert shown["proof"] == f"NOT RESTORABLE: {needs}"
