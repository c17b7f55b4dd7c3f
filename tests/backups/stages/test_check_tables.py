"""check_tables and start_server: what counts as evidence, and what does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from django.utils.timezone import now

from backups.exceptions import CancelRequested, EngineError, MooringError, StageFailed
from backups.jobs.request import create_copy_job
from backups.models import BackupCopy, Evidence, Instance, Job, Repository
from backups.parameters import RestoreTestParameters
from backups.programs.private_server import PrivateServer
from backups.programs.server_ending import require_order
from backups.running.run import Run
from backups.stages.proof.check_tables import CheckTables
from backups.stages.proof.record import RecordRestoreTest
from backups.stages.proof.start_server import StartServer
from backups.stages.restore.work import RestoreWork, restore_test_work
from backups.states import Operation
from backups.transitions.jobs import claim
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import take_backup

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(orders: Instance, main: Repository, engine: FakeEngine) -> Run:
    copy = take_backup(orders).copies.get()
    job = create_copy_job(Operation.RESTORE_TEST, copy, wake=False)
    assert claim(job, worker="w", exclusive_key="k", now=now())
    return Run(job)


class Checked(CheckTables):
    """Says what a server would have said of one table."""

    def __init__(self, verdict: str, stop: bool = False) -> None:
        self._verdict, self._stop = verdict, stop

    def _check_all(self, run: Run, server: PrivateServer, tables: list[dict[str, object]]) -> None:
        if self._stop:
            run.stop(CancelRequested())
        row = {"schema": "shop", "name": "orders", "engine": "InnoDB", "rows": 7}
        tables.append({**row, "verdict": self._verdict})


def work_of(run: Run, folder: Path) -> RestoreWork:
    work = restore_test_work(run.job, RestoreTestParameters())
    work.server = PrivateServer(folder, run_folder=folder / "run")
    return work


@pytest.mark.parametrize("verdict", ["ok", "unknown"])
def test_a_table_that_cannot_be_checked_is_no_fault(run: Run, tmp_path: Path, verdict: str) -> None:
    assert Checked(verdict).run(run, work_of(run, tmp_path)) == "1 table passed, 7 rows"
    assert not Evidence.objects.exists()


def test_a_faulty_table_is_evidence_against_the_copy(run: Run, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="1 of 1 table faulty"):
        Checked("failed").run(run, work_of(run, tmp_path))
    evidence = Evidence.objects.get()
    assert (evidence.passed, evidence.copy) == (False, BackupCopy.objects.get())
    assert evidence.report["error"] == "faulty tables: shop.orders"


def test_a_chosen_table_that_is_not_in_the_copy_is_evidence_against_it(
    run: Run, tmp_path: Path
) -> None:
    work = work_of(run, tmp_path)
    work.prepared = replace(work.prepared, lost=("shop.orders",))
    with pytest.raises(EngineError, match="1 chosen table not in the copy"):
        Checked("ok").run(run, work)
    assert not Evidence.objects.get().passed


def test_a_full_disk_under_the_server_is_no_evidence(run: Run, tmp_path: Path) -> None:
    work = work_of(run, tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "server.log").write_text("[InnoDB] error number 28 in a file operation")
    with pytest.raises(StageFailed, match="No space left"):
        Checked("failed").run(run, work)
    assert not Evidence.objects.exists()


class Interrupted(CheckTables):
    """Its server ends under the check."""

    def _check_all(self, run: Run, server: PrivateServer, tables: list[dict[str, object]]) -> None:
        raise EngineError("the restored server ended")


@pytest.mark.parametrize(
    ("log", "raised", "evidence"),
    [("Disk is full writing './t.MAD'", StageFailed, 0), ("Segmentation fault", EngineError, 1)],
)
def test_a_server_that_ended_for_want_of_room_is_no_evidence(
    run: Run, tmp_path: Path, log: str, raised: type[Exception], evidence: int
) -> None:
    work = work_of(run, tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "server.log").write_text(log)
    with pytest.raises(raised):
        Interrupted().run(run, work)
    assert Evidence.objects.count() == evidence


def test_a_check_that_was_cut_short_is_no_evidence(run: Run, tmp_path: Path) -> None:
    with pytest.raises(CancelRequested):
        Checked("failed", stop=True).run(run, work_of(run, tmp_path))
    assert not Evidence.objects.exists()


def test_evidence_leaves_the_mark_of_what_is_still_on_the_disk(run: Run, tmp_path: Path) -> None:
    Job.objects.filter(pk=run.job.pk).update(leftovers=True)
    with pytest.raises(EngineError):
        Checked("failed").run(run, work_of(run, tmp_path))
    assert Job.objects.get(pk=run.job.pk).leftovers


class Ended(PrivateServer):
    """Ended already, with a code."""

    code = 0

    def shut_down(self) -> None:
        require_order(self.code, "said at the end", self.folder)


@pytest.mark.parametrize(
    ("code", "kind", "passed"), [(-6, EngineError, [False]), (-9, StageFailed, [])]
)
def test_a_server_that_does_not_end_in_order_is_no_pass(
    run: Run, tmp_path: Path, code: int, kind: type[MooringError], passed: list[bool]
) -> None:
    work = work_of(run, tmp_path)
    work.server = ended = Ended(tmp_path, run_folder=tmp_path / "run")
    ended.code, work.began_at, work.answered_at = code, now(), now()
    with pytest.raises(kind):
        RecordRestoreTest().run(run, work)
    assert list(Evidence.objects.values_list("passed", flat=True)) == passed


def test_a_server_that_does_not_start_is_evidence(run: Run) -> None:
    work = restore_test_work(run.job, RestoreTestParameters())
    work.target.mkdir(parents=True)
    with pytest.raises(EngineError, match="is not a data folder"):
        StartServer().run(run, work)
    assert Evidence.objects.get().report["stage"] == "start server"
