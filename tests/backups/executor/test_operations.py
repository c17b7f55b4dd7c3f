"""Do a job's stages follow from what was asked of it, even where one kind comes twice?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from django.utils.timezone import now
from pytest_django import Settings

from backups.exceptions import StageFailed
from backups.executor.operations import PLANS, exclusive_key
from backups.jobs.request import create_copy_job
from backups.models import BackupCopy, Instance, Job, Repository
from backups.parameters import VerifyParameters
from backups.running.run import Run
from backups.stages.base import PlainStage, Stage
from backups.states import JobStatus, Operation
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import run_here, take_backup

pytestmark = pytest.mark.django_db(transaction=True)


class Read(PlainStage[object]):
    """Has a part of its own, and a sub-operation like those of its kind."""

    name = "read"

    def __init__(self, part: str, *, fails: bool = False) -> None:
        self.part, self._fails = part, fails

    def children(self, run: Run) -> Sequence[str]:
        return ["blocks"]

    def run(self, run: Run, work: object) -> str:
        run.stage_started("blocks", now())
        if self._fails:
            raise StageFailed("it is torn")
        run.stage_ended("blocks", now(), detail=self.part)
        return f"{run.patience} s"


def read_parts(job: Job, asked: VerifyParameters) -> Sequence[Stage[object]]:
    return [Read("link 1"), Read("link 2", fails=asked.pages)]


@pytest.fixture
def copy(
    orders: Instance, main: Repository, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> BackupCopy:
    plan = replace(PLANS[Operation.VERIFY], stages=read_parts)
    monkeypatch.setitem(PLANS, Operation.VERIFY, plan)
    return take_backup(orders).copies.get()


def verify(copy: BackupCopy, *, pages: bool) -> Job:
    asked = VerifyParameters(pages=pages)
    return run_here(create_copy_job(Operation.VERIFY, copy, parameters=asked, wake=False))


def rows_of(job: Job) -> list[tuple[str, str, str, str]]:
    stages = job.stages.select_related("parent")
    return [(s.name, s.parent.name if s.parent else "", s.status, s.detail) for s in stages]


def test_each_has_its_row_and_its_sub_operations(copy: BackupCopy, settings: Settings) -> None:
    settings.STALL_SECONDS_OF_STAGES = {"read": 77}
    job = verify(copy, pages=False)
    assert job.status == JobStatus.SUCCEEDED
    assert rows_of(job) == [
        ("read link 1", "", "succeeded", "77 s"),
        ("blocks", "read link 1", "succeeded", "link 1"),
        ("read link 2", "", "succeeded", "77 s"),
        ("blocks", "read link 2", "succeeded", "link 2"),
    ]


def test_the_one_that_failed_is_named(copy: BackupCopy) -> None:
    job = verify(copy, pages=True)
    assert (job.failed_stage, job.error) == ("read link 2", "read link 2 failed: it is torn")
    assert [status for _, _, status, _ in rows_of(job)] == ["succeeded"] * 2 + ["failed"] * 2


def test_a_row_that_cannot_be_read_ends_with_the_reason(copy: BackupCopy) -> None:
    job = create_copy_job(Operation.VERIFY, copy, wake=False)
    job.parameters = {"page": True}
    job.save()
    assert exclusive_key(job) == f"job:{job.pk}"
    job = run_here(job)
    assert job.status == JobStatus.FAILED
    assert job.error.startswith("start failed: the parameters of verify job")
    assert job.error.endswith("cannot be read: unknown key page")


def test_a_restore_that_cannot_be_read_ends_too(copy: BackupCopy) -> None:
    job = create_copy_job(Operation.RESTORE, copy, parameters=VerifyParameters(), wake=False)
    assert run_here(job).error.endswith("unknown key pages")


def test_every_stage_of_every_operation_is_known() -> None:
    for operation, plan in PLANS.items():
        names = [stage.name for stage in plan.known_stages]
        assert names
        assert len(names) == len(set(names)), operation
