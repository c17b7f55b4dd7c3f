"""takebackup, canceljob, verifybackup, restorebackup, purgebackup: codes, words and JSON."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from django.db import connection
from django.utils.timezone import now

from backups.exceptions import EngineError
from backups.executor.operations import exclusive_key
from backups.jobs.request import create_backup_job, create_copy_job
from backups.models import Backup, Evidence, Instance, Job, Repository
from backups.states import JobStatus, Operation
from backups.transitions.jobs import claim
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import Running, stored_files, take_backup
from tests.commands import Ended, run_command

pytestmark = pytest.mark.django_db(transaction=True)

JOB_FIELDS = {
    "job",
    "operation",
    "instance",
    "status",
    "kind",
    "kind_reason",
    "problems",
    "label",
    "error",
    "hint",
    "started_at",
    "ended_at",
    "lock_time",
    "stages",
}


@pytest.fixture
def label(orders: Instance, main: Repository, engine: FakeEngine) -> str:
    return take_backup(orders).label


def take(*words: str) -> Ended:
    return run_command("takebackup", "orders-1", "--foreground", *words)


def test_takebackup(orders: Instance, main: Repository, engine: FakeEngine) -> None:
    ended = take()
    assert (ended.exit_code, ended.stderr.strip()) == (0, "")
    assert f"backup job {Job.objects.get().pk} of orders-1 succeeded" in ended.stdout
    assert "file copy" in ended.stdout


def test_takebackup_as_json(orders: Instance, main: Repository, engine: FakeEngine) -> None:
    ended = take("--json", "--repository", "main")
    fields = ended.json()
    assert (ended.exit_code, set(fields)) == (0, JOB_FIELDS)
    assert (fields["status"], fields["error"], fields["lock_time"]) == ("succeeded", "", 0.04)
    assert fields["label"] == Backup.objects.get(made_by=fields["job"]).label
    assert [stage["name"] for stage in fields["stages"]][:2] == ["copy", "file copy"]


def test_takebackup_of_whichever_kind_is_due(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    ended = take("--kind", "auto")
    assert "full backup: there is no stored backup to go on from" in ended.stdout
    fields = take("--kind", "auto", "--json").json()
    assert fields["kind"] == "incremental"
    assert fields["kind_reason"].startswith("changes since orders-1@")


def test_takebackup_that_fails(orders: Instance, main: Repository, engine: FakeEngine) -> None:
    engine.fails_after = 3
    ended = take()
    assert ended.exit_code == 1
    assert "error: copy failed: the fake tool exited with 1" in ended.stdout
    assert "HINT: Repair the fake." in ended.stdout
    assert take("--json").json()["hint"] == "Repair the fake."


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nobody", "--foreground"], "no instance is called nobody"),
        (["orders-1", "--repository", "elsewhere"], "no repository is called elsewhere"),
        (["orders-1", "--kind", "snapshot"], "invalid choice: 'snapshot'"),
        (["orders-1", "--kind", "partial", "--include", "a.b.c"], "is not a schema, a dot and"),
        (["orders-1", "--include", "a.b"], "only a partial backup is of chosen tables"),
        (["orders-1", "--include", "a.b", "--dry-run"], "only a partial backup is of chosen"),
        ([], "the following arguments are required: instance"),
    ],
)
def test_takebackup_with_bad_input(
    orders: Instance, main: Repository, words: list[str], said: str
) -> None:
    ended = run_command("takebackup", *words)
    assert ended.exit_code == 2
    assert said in ended.stderr
    assert not Job.objects.exists()


def test_takebackup_refused(orders: Instance, main: Repository, engine: FakeEngine) -> None:
    create_backup_job(orders, wake=False)
    ended = take("--json")
    assert ended.exit_code == 3
    assert ended.json()["error"] == "a backup of orders-1 is already queued or running"


def test_what_is_refused_when_bytes_have_been_written_has_failed(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    from backups.exceptions import Refused

    engine.fails_after, engine.failure = 0, Refused("12.0 GiB needed, 1.0 GiB free")
    ended = take()
    assert ended.exit_code == 1
    assert "copy failed: 12.0 GiB needed, 1.0 GiB free" in ended.stdout
    assert Job.objects.get().status == JobStatus.FAILED


def test_without_a_broker_it_waits_for_a_worker(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    said: list[Ended] = []

    def command() -> None:
        try:
            said.append(run_command("takebackup", "orders-1"))
        finally:
            connection.close()

    thread = threading.Thread(target=command)
    thread.start()
    while not Job.objects.exists():
        assert thread.is_alive()
        thread.join(0.05)
    Running(Job.objects.get()).end()
    thread.join()
    assert [ended.exit_code for ended in said] == [0]


def test_a_foreground_job_whose_turn_has_not_come_does_not_linger(label: str) -> None:
    copy = Backup.objects.get().copies.get()
    busy = create_copy_job(Operation.VERIFY, copy, wake=False)
    assert claim(busy, worker="w", exclusive_key=exclusive_key(busy), now=now())
    ended = run_command("verifybackup", label, "--foreground", "--json")
    assert ended.exit_code == 3
    assert f"refused: the job waits for {busy}" in ended.json()["error"]
    assert Job.objects.get(pk=ended.json()["job"]).status == JobStatus.REFUSED


def test_canceljob(orders: Instance, main: Repository, engine: FakeEngine) -> None:
    engine.blocks_after = 3
    running = Running(create_backup_job(orders, wake=False))
    running.reach(engine.blocked)
    ended = run_command("canceljob", str(running.job.pk), "--json")
    assert (ended.exit_code, ended.json()["status"]) == (0, "cancelled")
    assert set(ended.json()) == JOB_FIELDS
    running.end()
    again = run_command("canceljob", str(running.job.pk))
    assert again.exit_code == 2
    assert "has already ended: cancelled" in again.stderr


@pytest.mark.parametrize("word", ["4711", "x"])
def test_canceljob_of_no_job(word: str) -> None:
    assert run_command("canceljob", word).exit_code == 2


def test_verifybackup(label: str, main: Repository) -> None:
    ended = run_command("verifybackup", label, "--foreground", "--json")
    assert (ended.exit_code, ended.json()["status"]) == (0, "succeeded")
    assert Evidence.objects.get().passed


def test_verifybackup_with_pages(label: str) -> None:
    ended = run_command("verifybackup", label, "--pages", "--foreground", "--json")
    assert ended.exit_code == 0
    (stage,) = ended.json()["stages"]
    # What the fake engine calls a tablespace has no page that anyone could tell.
    assert stage["detail"].endswith("0 pages whole, some unknown")
    assert Job.objects.get(pk=ended.json()["job"]).parameters == {"pages": True}
    assert Evidence.objects.get().report["pages"]["files"] == 2


def test_verifybackup_of_damage(label: str, main: Repository) -> None:
    (pack,) = Path(main.path).rglob("*.pack")
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 0x40
    pack.write_bytes(content)
    ended = run_command("verifybackup", label, "--foreground")
    assert ended.exit_code == 1
    assert "error: read packs failed: " in ended.stdout
    assert "000001.pack" in ended.stdout
    evidence = Evidence.objects.get()
    assert not evidence.passed
    assert evidence.report["damages"]
    assert "VERIFY FAILED" in run_command("listbackups").stdout


def test_an_unreachable_repository_is_no_evidence(label: str, main: Repository) -> None:
    Path(main.path).rename(Path(main.path).with_name("away"))
    ended = run_command("verifybackup", label, "--foreground")
    assert ended.exit_code == 3
    assert "is not a repository" in ended.stdout
    assert not Evidence.objects.exists()


@pytest.mark.parametrize("words", [(), ("--pages",)])
def test_a_pack_that_is_gone_is_evidence(
    label: str, main: Repository, words: tuple[str, ...]
) -> None:
    (pack,) = Path(main.path).rglob("*.pack")
    pack.unlink()
    assert run_command("verifybackup", label, "--foreground", *words).exit_code == 1
    assert not Evidence.objects.get().passed


def test_restorebackup(label: str, tmp_path: Path) -> None:
    target = tmp_path / "restored"
    words = [label, "--to", str(target), "--raw", "--foreground", "--json"]
    ended = run_command("restorebackup", *words)
    assert (ended.exit_code, ended.json()["status"]) == (0, "succeeded")
    hand_over = ended.json()["stages"][-1]["detail"]
    assert hand_over == f"raw in {target} binlog binlog.000007:815 GTID 0-1-42"
    assert (target / "ibdata1").exists()
    again = run_command("restorebackup", *words)
    assert (again.exit_code, again.json()["status"]) == (3, "refused")
    assert again.json()["stages"][0]["status"] == "refused"
    assert "is not empty" in again.json()["error"]


def test_restorebackup_shows_its_plan_and_changes_nothing(label: str, tmp_path: Path) -> None:
    words = (label, "--to", str(tmp_path / "new"), "--no-start", "--plan")
    jobs = Job.objects.count()
    shown = run_command("restorebackup", *words)
    assert shown.exit_code == 0, shown.stderr
    assert "run time: unknown (no comparable restore has been run)" in shown.stdout
    fields = run_command("restorebackup", *words, "--json").json()
    assert (fields["label"], fields["would_be_refused"]) == (label, False)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "theirs").touch()
    refused = run_command("restorebackup", *words)
    assert refused.exit_code == 3
    assert "new is not empty" in refused.stdout
    assert Job.objects.count() == jobs


def test_restorebackup_with_bad_input(label: str) -> None:
    assert run_command("restorebackup", label).exit_code == 2
    assert run_command("restorebackup", "nothing", "--to", "/nowhere").exit_code == 2


def test_testrestore_that_cannot_start_a_server_is_evidence(
    label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The fake's files are no data folder.
    ended = run_command("testrestore", label, "--foreground", "--json")
    assert ended.exit_code == 1
    assert ended.json()["error"].startswith("start server failed: server not started")
    evidence = Evidence.objects.get()
    assert (evidence.passed, evidence.report["stage"]) == (False, "start server")
    job = Job.objects.get(pk=ended.json()["job"])
    assert not job.leftovers


def test_a_restore_test_that_dies_after_its_evidence_is_still_marked(
    engine: FakeEngine, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck(target: Path, job_id: int) -> bool:
        raise OSError(5, "Input/output error")

    engine.prepare_failure = EngineError("no prepare today")
    monkeypatch.setattr("backups.stages.restore.check_target.release_folder", stuck)
    run_command("testrestore", label, "--foreground")
    assert Job.objects.get(operation=Operation.RESTORE_TEST).leftovers


def test_purgebackup(label: str, main: Repository) -> None:
    refused = run_command("purgebackup", label, "--foreground")
    assert refused.exit_code == 3
    assert "is the last restorable backup of orders-1" in refused.stdout
    assert "--force" in refused.stdout
    ended = run_command("purgebackup", label, "--foreground", "--force", "--json")
    assert (ended.exit_code, ended.json()["status"]) == (0, "succeeded")
    assert stored_files(main) == ["mooring.json"]
    gone = run_command("purgebackup", label, "--foreground")
    assert gone.exit_code == 2
    assert "has no copy: it was purged" in gone.stderr
