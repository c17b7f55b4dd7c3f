"""What counts as a failed recovery to a moment, and what does not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils.timezone import now

from backups.exceptions import (
    BinlogDamaged,
    CancelRequested,
    EngineError,
    LeaseLost,
    MooringError,
    Refused,
    StageFailed,
)
from backups.jobs.request import create_copy_job
from backups.models import Drill, Evidence, Instance, Job, JobStage, Repository
from backups.parameters import RestoreTestParameters
from backups.programs.private_server import PrivateServer
from backups.running.run import Run
from backups.stages.proof.drill import CheckAtMoment
from backups.stages.proof.drill_result import failure_of_drill, record_drill
from backups.stages.restore.work import RestoreWork, restore_test_work
from backups.states import DrillPoint, Operation, StageStatus
from backups.transitions.jobs import claim
from tests.backups.binlog_archive.spooled import HOUR, T0
from tests.backups.fake_engine import FakeEngine
from tests.backups.stages.test_check_tables import Checked
from tests.backups.taking import take_backup

pytestmark = pytest.mark.django_db(transaction=True)
ASKED = RestoreTestParameters(
    point=DrillPoint.RANDOM.value, until=T0.isoformat(), range_from=(T0 - HOUR).isoformat(),
    range_to=(T0 + HOUR).isoformat(),
)  # fmt: skip


@pytest.fixture
def run(orders: Instance, main: Repository, engine: FakeEngine) -> Run:
    copy = take_backup(orders).copies.get()
    job = create_copy_job(Operation.RESTORE_TEST, copy, parameters=ASKED, wake=False)
    assert claim(job, worker="w", exclusive_key="k", now=now())
    return Run(job)


@pytest.fixture
def work(run: Run) -> RestoreWork:
    return restore_test_work(run.job, ASKED)


@pytest.mark.parametrize(
    ("error", "recorded"),
    [
        (EngineError("the replay stopped"), True),
        (BinlogDamaged("an event is damaged"), True),
        (Refused("no archived binlog has it"), True),
        (StageFailed("no space left on device"), False),
    ],
)
def test_a_full_disk_is_no_failed_recovery(
    run: Run, work: RestoreWork, error: MooringError, recorded: bool
) -> None:
    with pytest.raises(type(error)), failure_of_drill(run, work, "replay"):
        raise error
    assert list(Drill.objects.values_list("passed", "failed_stage", "error")) == (
        [(False, "replay", str(error))] if recorded else []
    )
    assert not Evidence.objects.exists()


def test_nor_is_a_cancelled_job(run: Run, work: RestoreWork) -> None:
    run.stop(CancelRequested())
    with pytest.raises(EngineError), failure_of_drill(run, work, "replay"):
        raise EngineError("the server was ended")
    assert not Drill.objects.exists()


def test_nobody_else_writes_one(run: Run, work: RestoreWork) -> None:
    Job.objects.update(fencing_token=run.token + 1)
    with pytest.raises(LeaseLost):
        record_drill(run, work)
    assert not Drill.objects.exists()


def test_the_times_of_the_stages_are_its_recovery_time(run: Run, work: RestoreWork) -> None:
    lengths = {"extract": 10, "prepare": 4, "check tables": 60, "replay": 8, "start at moment": 2}
    for number, (name, seconds) in enumerate(lengths.items()):
        JobStage.objects.create(
            job=run.job, position=number, name=name, status=StageStatus.SUCCEEDED, started_at=T0,
            ended_at=T0 + timedelta(seconds=seconds),
        )  # fmt: skip
    drill = record_drill(run, work)
    assert (drill.passed, drill.point, drill.moment) == (True, "random", T0)
    # The tables are checked for the proof: a recovery waits for no such check.
    assert drill.recovery_time == timedelta(seconds=24)
    assert drill.stages == lengths


class CheckedAtMoment(Checked, CheckAtMoment):
    """Says what a server would have said of one table, after a replay."""


def test_a_table_damaged_after_the_replay_is_not_the_backups(
    run: Run, work: RestoreWork, tmp_path: Path
) -> None:
    work.server = PrivateServer(tmp_path, run_folder=tmp_path / "run")
    with pytest.raises(EngineError, match=r"1 of 1 table faulty: shop\.orders"):
        CheckedAtMoment("failed").run(run, work)
    drill = Drill.objects.get()
    assert (drill.failed_stage, drill.error) == ("check at moment", "faulty tables: shop.orders")
    assert not Evidence.objects.exists()
