"""One schedule that takes full and incremental backups: each run's kind, and overdue full ones."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from backups.models import Backup, BackupSchedule, Instance, Job, Occurrence
from backups.schedules.context import expected_run
from backups.schedules.due import plan_due_schedules
from backups.schedules.make_up import load_overdue_fulls
from backups.schedules.pauses import pause_schedule
from backups.schedules.save import save_schedule
from backups.states import JobStatus, KindCause, OccurrenceStatus
from tests.backups.planning import (
    HOUR,
    MINUTE,
    T0,
    finish,
    make_instances,
    make_place,
    make_schedule,
    start,
    tick,
    with_worker,
)

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
# T0 is a Monday.
SUNDAY = T0 + 6 * DAY


# Any: a schedule's columns.
def make_rhythm(*instances: Instance, **values: Any) -> BackupSchedule:
    """Return one that takes a full backup on Sunday and an incremental one on the other days."""
    make_place()
    plain = {"kind": "incremental", "full_cron": "0 2 * * 0", "saved_at": SUNDAY - HOUR}
    return make_schedule(*instances, **{**plain, **values})


def run(at: datetime, to: JobStatus = JobStatus.SUCCEEDED) -> Job:
    """Let the scheduler plan what is due, and the job end."""
    tick(at)
    job = Job.objects.filter(status=JobStatus.PENDING).get()
    finish(start(job, at + MINUTE), at + 10 * MINUTE, to)
    if to is JobStatus.SUCCEEDED:
        Backup.objects.create(
            label=f"{job.instance.name}@{at:%d}",
            instance=job.instance,
            kind=job.kind,
            made_by=job,
            started_at=at + MINUTE,
            ended_at=at + 10 * MINUTE,
        )
    tick(at + 11 * MINUTE)
    job.refresh_from_db()
    return job


def test_each_run_has_its_kind(orders: Instance) -> None:
    make_rhythm(orders)
    jobs = [run(SUNDAY + number * DAY) for number in range(8)]
    assert [job.kind for job in jobs] == ["full", *["incremental"] * 6, "full"]
    planned = Occurrence.objects.order_by("due_at").values_list("kind", flat=True)
    assert list(planned) == [job.kind for job in jobs]
    assert {job.kind_cause for job in jobs} == {""}


@pytest.mark.parametrize(
    ("to", "how"), [(JobStatus.FAILED, "failed"), (JobStatus.REFUSED, "was refused")]
)
def test_after_a_failed_full_the_next_run_is_one(orders: Instance, to: JobStatus, how: str) -> None:
    make_rhythm(orders)
    assert run(SUNDAY, to).kind == "full"
    job = run(SUNDAY + DAY)
    assert (job.kind, job.requested_kind) == ("full", "incremental")
    assert job.kind_cause == KindCause.FULL_OVERDUE
    assert job.kind_reason == f"the full backup due at 2026-03-08 02:00Z {how}"
    # As planned, and only once.
    assert Occurrence.objects.get(job=job).kind == "incremental"
    assert run(SUNDAY + 2 * DAY).kind == "incremental"


def test_without_the_setting_it_is_as_planned(orders: Instance) -> None:
    make_rhythm(orders, make_up_full=False)
    run(SUNDAY, JobStatus.FAILED)
    assert run(SUNDAY + DAY).kind == "incremental"


def test_a_missed_full_is_made_up_by_the_run_after_the_downtime(orders: Instance) -> None:
    make_rhythm(orders)
    tick(SUNDAY - MINUTE)
    with_worker(SUNDAY + 2 * DAY + HOUR)
    job = run(SUNDAY + 2 * DAY + HOUR)
    assert job.kind == "full"
    assert job.kind_reason == "the full backup due at 2026-03-08 02:00Z was missed"


def test_a_full_that_still_waits_is_made_up_by_the_run_that_replaces_it(
    orders: Instance,
) -> None:
    schedule = make_rhythm(orders, window=30 * HOUR)
    pause_schedule(schedule, reason="move", until=SUNDAY + DAY, by=None, now=SUNDAY - MINUTE)
    tick(SUNDAY)
    job = run(SUNDAY + DAY)
    assert (job.kind, job.kind_cause) == ("full", KindCause.FULL_OVERDUE)
    full = Occurrence.objects.get(kind="full")
    assert (full.status, full.reason) == (OccurrenceStatus.SKIPPED, "superseded")


def test_a_full_taken_by_hand_is_enough(orders: Instance) -> None:
    make_rhythm(orders)
    run(SUNDAY, JobStatus.FAILED)
    Backup.objects.create(
        label="by-hand",
        instance=orders,
        kind="full",
        started_at=SUNDAY + HOUR,
        ended_at=SUNDAY + 2 * HOUR,
    )
    assert run(SUNDAY + DAY).kind == "incremental"


def test_a_full_that_a_person_cancelled_is_not_wanted(orders: Instance) -> None:
    make_rhythm(orders)
    run(SUNDAY, JobStatus.CANCELLED)
    assert run(SUNDAY + DAY).kind == "incremental"


def test_the_fulls_of_other_schedules_are_theirs(orders: Instance) -> None:
    make_rhythm(orders)
    make_schedule(orders, name="weekly", cron="0 5 * * 0", saved_at=SUNDAY - HOUR)
    run(SUNDAY)
    run(SUNDAY + 3 * HOUR, JobStatus.FAILED)
    assert run(SUNDAY + DAY).kind == "incremental"


def test_a_run_is_compared_with_those_of_its_kind(orders: Instance) -> None:
    make_rhythm(orders)
    for number in range(6):
        run(SUNDAY + number * DAY)
    full = Occurrence.objects.select_related("schedule", "job").get(kind="full")
    incremental = Occurrence.objects.select_related("schedule", "job").first()
    assert incremental is not None
    # Five incremental runs are enough to compare with, one full backup is not.
    assert (expected_run(full), expected_run(incremental)) == (None, 10 * MINUTE)


def test_the_cost_of_overdue_fulls_does_not_grow(django_assert_num_queries: Any) -> None:
    make_rhythm(*make_instances(30), catch_up="skip")
    plan_due_schedules(SUNDAY + DAY)
    due = list(Occurrence.objects.filter(kind="incremental").select_related("schedule"))
    with django_assert_num_queries(2):
        overdue = load_overdue_fulls(due)
    assert len(overdue) == len(due) == 30


def test_a_change_of_kind_does_not_change_runs_that_were_due(orders: Instance) -> None:
    schedule = make_rhythm(orders)
    schedule.kind = "differential"
    save_schedule(schedule, SUNDAY + DAY + HOUR)
    tick(SUNDAY + 2 * DAY)
    kinds = Occurrence.objects.order_by("due_at").values_list("kind", flat=True)
    assert list(kinds) == ["full", "incremental", "differential"]
