"""What is forgotten after a while, and what never."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backups.models import Instance, Job, JobLogLine, Occurrence
from backups.retention.pruning import prune_history
from backups.states import JobStatus
from tests.backups.planning import T0, make_instances, make_schedule

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
NOW = T0 + 400 * DAY


@pytest.fixture
def shop(db: None) -> Instance:
    return make_instances(1, "shop")[0]


def ended(shop: Instance, *days: float, status: str = "succeeded") -> None:
    schedule = make_schedule(shop, name=f"{status}-{len(days)}")
    for day in days:
        at = T0 + day * DAY
        Occurrence.objects.create(
            schedule=schedule, instance=shop, due_at=at, starts_at=at, late_after=at,
            missed_after=at, status=status,
        )  # fmt: skip


def left() -> list[float]:
    return [(each.due_at - T0) / DAY for each in Occurrence.objects.order_by("due_at")]


def test_planned_runs_go_after_400_days_but_for_the_newest(shop: Instance) -> None:
    ended(shop, -2, -1, 0, 1)
    prune_history(NOW)
    assert left() == [0, 1]
    prune_history(NOW + 300 * DAY)
    assert left() == [1]


def test_what_is_open_stays(shop: Instance) -> None:
    ended(shop, -2, -1, status="due")
    assert prune_history(NOW) == 0


def test_logs_go_and_their_jobs_stay(shop: Instance) -> None:
    for days in (-1, 1):
        job = Job.objects.create(
            operation="backup", instance=shop, status=JobStatus.FAILED, ended_at=T0 + days * DAY
        )
        JobLogLine.objects.create(job=job, text="a line", source="fake", logged_at=T0)
    assert prune_history(NOW) == 1
    assert (Job.objects.count(), JobLogLine.objects.get().job) == (2, job)
