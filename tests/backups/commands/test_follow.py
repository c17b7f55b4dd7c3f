"""What does a person at a terminal see of a running job?"""

from __future__ import annotations

import pytest
from rich.progress import Progress

from backups.management.follow import draw
from backups.models import Instance, Job, JobStage
from backups.states import JobStatus, Operation, StageStatus

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(orders: Instance) -> Job:
    return Job.objects.create(
        instance=orders, operation=Operation.RESTORE, status=JobStatus.RUNNING
    )


@pytest.fixture
def progress() -> Progress:
    shown = Progress()
    shown.add_task("waiting for a worker", total=None, figures="")
    return shown


def seen(progress: Progress) -> tuple[str, float, float | None, str]:
    (task,) = progress.tasks
    return task.description, task.completed, task.total, task.fields["figures"]


def run_stage(job: Job, name: str, done: int, total: int | None, rate: int | None) -> None:
    job.stages.update(status=StageStatus.SUCCEEDED)
    position = job.stages.count() + 1
    JobStage.objects.create(job=job, position=position, name=name, status=StageStatus.RUNNING)
    job.bytes_done, job.bytes_total, job.rate_bytes_per_s = done, total, rate


def test_percent_rate_and_time_left_are_those_of_the_job(job: Job, progress: Progress) -> None:
    run_stage(job, "extract", 1024, 4096, 1024)
    draw(progress, job)
    assert seen(progress) == ("extract", 1024, 4096, "25 % · 1.0 KiB/s · 3.0 s left")


def test_a_stage_whose_total_is_unknown_has_not_that_of_the_one_before(
    job: Job, progress: Progress
) -> None:
    run_stage(job, "extract", 4096, 4096, 1024)
    draw(progress, job)
    run_stage(job, "prepare", 0, None, None)
    draw(progress, job)
    assert seen(progress) == ("prepare", 0, None, "time left unknown")


def test_a_total_that_turns_out_wrong_is_taken_away(job: Job, progress: Progress) -> None:
    run_stage(job, "prepare", 100, 400, None)
    draw(progress, job)
    job.bytes_done, job.bytes_total = 500, None
    draw(progress, job)
    assert seen(progress) == ("prepare", 500, None, "time left unknown")
