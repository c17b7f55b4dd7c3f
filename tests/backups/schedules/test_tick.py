"""From the due moment to the end: started, followed, retried, late, overrun, missed."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backups.exceptions import BadInput
from backups.health.heartbeats import begin_tick, end_tick, silent_since
from backups.jobs.cancel import request_cancel
from backups.jobs.request import request_again
from backups.models import BackupSchedule, Instance, Job, Occurrence, Repository, WorkerHeartbeat
from backups.retention.stored import unhealthy_runs
from backups.schedules.pauses import pause_schedule
from backups.schedules.tick import TICK, plan_occurrences
from backups.states import JobStatus, OccurrenceStatus, WaitReason
from backups.transitions.jobs import lose
from tests.backups.planning import (
    HOUR,
    MINUTE,
    SECOND,
    T0,
    finish,
    make_instances,
    make_place,
    make_schedule,
    only,
    start,
    statuses,
    tick,
    with_worker,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(db: None) -> Instance:
    make_place()
    return make_instances(1, "shop")[0]


def test_nothing_happens_before_its_moment(shop: Instance) -> None:
    make_schedule(shop)
    tick(T0 - timedelta(microseconds=1))
    assert not Occurrence.objects.exists()
    tick(T0)
    assert only().due_at == T0


def test_a_due_occurrence_gets_its_job(shop: Instance) -> None:
    schedule = make_schedule(shop, options={"throttle": 5})
    tick(T0)
    occurrence, job = only(), Job.objects.get()
    assert (occurrence.status, occurrence.job, occurrence.attempts) == ("due", job, 1)
    assert (job.occurrence, job.instance, job.kind) == (occurrence, shop, "full")
    assert (job.parameters, job.engine, job.requested_at) == ({"throttle": 5}, "fake", T0)
    assert list(job.repositories.all()) == [Repository.objects.get()]
    event = job.events.get()
    assert (event.actor, event.reason) == ("schedule nightly", "requested")
    schedule.refresh_from_db()
    assert schedule.next_due_at == T0 + timedelta(days=1)


def test_an_engine_takes_the_options_it_knows(shop: Instance) -> None:
    make_schedule(shop, options={"throttle": 5, "save_foreign_tables": True})
    tick(T0)
    assert Job.objects.get().parameters == {"throttle": 5}


def test_an_invalid_option_holds_the_run_back(shop: Instance) -> None:
    make_schedule(shop, options={"throttle": "fast"})
    tick(T0)
    assert (only().reason, only().detail) == (
        WaitReason.REFUSED,
        "throttle is 'fast': a whole number is expected",
    )


def test_a_run_is_followed_to_its_end(shop: Instance) -> None:
    make_schedule(shop)
    tick(T0)
    job = start(only().job, T0 + 5 * SECOND)
    tick(T0 + 10 * SECOND)
    assert only().status == OccurrenceStatus.RUNNING
    finish(job, T0 + 55 * SECOND)
    tick(T0 + MINUTE)
    ended = only()
    assert (ended.status, ended.reason, ended.late_at) == ("succeeded", "", None)
    assert (ended.ended_at, ended.next_check_at) == (T0 + 55 * SECOND, None)


def test_a_run_that_nobody_saw_running_counts(shop: Instance) -> None:
    make_schedule(shop)
    tick(T0)
    finish(start(only().job, T0 + SECOND), T0 + 2 * SECOND)
    tick(T0 + 10 * SECOND)
    assert statuses() == [("succeeded", "")]


def test_late_is_noted_once_at_the_end_of_the_grace(shop: Instance) -> None:
    make_schedule(shop, grace=15 * MINUTE)
    tick(T0)
    for at, late in [
        (15 * MINUTE - timedelta(microseconds=1), None),
        (15 * MINUTE, T0 + 15 * MINUTE),
        (16 * MINUTE, T0 + 15 * MINUTE),
    ]:
        tick(T0 + at)
        assert only().late_at == late


def test_a_window_that_closes_over_a_waiting_job_ends_both(shop: Instance) -> None:
    make_schedule(shop, window=4 * HOUR)
    tick(T0)
    with_worker(T0 + 4 * HOUR - SECOND)
    tick(T0 + 4 * HOUR - timedelta(microseconds=1))
    assert only().status == OccurrenceStatus.DUE
    tick(T0 + 4 * HOUR)
    missed = only()
    assert (missed.status, missed.reason) == ("missed", "not_claimed")
    assert missed.job is not None and missed.job.status == JobStatus.CANCELLED
    last = missed.job.events.last()
    assert last is not None and last.actor == "schedule nightly"


def test_without_a_worker_the_reason_is_that(shop: Instance) -> None:
    make_schedule(shop, window=4 * HOUR)
    with_worker(T0)
    tick(T0)
    WorkerHeartbeat.objects.update(queues=",transfer,", seen_at=T0 + 4 * HOUR)
    tick(T0 + HOUR)
    assert only().reason == WaitReason.NO_WORKER
    tick(T0 + 4 * HOUR - SECOND)
    tick(T0 + 4 * HOUR)
    assert statuses() == [("missed", "no_worker")]


def test_a_job_claimed_in_the_last_second_is_not_missed(shop: Instance) -> None:
    make_schedule(shop, window=HOUR)
    tick(T0)
    job = start(only().job, T0 + HOUR - SECOND)
    tick(T0 + HOUR + SECOND)
    began = only()
    assert (began.status, began.late_at) == ("running", T0 + HOUR - SECOND)
    finish(job, T0 + 2 * HOUR)
    tick(T0 + 2 * HOUR)
    assert statuses() == [("succeeded", "")]


@pytest.mark.parametrize("to", [JobStatus.FAILED, JobStatus.LOST])
def test_a_failed_run_is_retried_inside_the_window(shop: Instance, to: JobStatus) -> None:
    make_schedule(shop, retries=1, retry_delay=10 * MINUTE)
    tick(T0)
    first = start(only().job, T0)
    if to is JobStatus.LOST:
        assert lose(first, now=T0 + MINUTE)
    else:
        finish(first, T0 + MINUTE, to, error="copy failed: disk full")
    tick(T0 + MINUTE)
    waiting = only()
    assert (waiting.status, waiting.reason) == ("due", "failed")
    assert waiting.detail == first.error
    tick(T0 + 11 * MINUTE - SECOND)
    assert Job.objects.count() == 1
    tick(T0 + 11 * MINUTE)
    second = start(only().job, T0 + 12 * MINUTE)
    assert second != first
    finish(second, T0 + 20 * MINUTE)
    tick(T0 + 20 * MINUTE)
    ended = only()
    assert (ended.status, ended.attempts, ended.late_at) == ("succeeded", 2, None)
    assert list(ended.jobs.order_by("id")) == [first, second]


def test_a_refused_run_is_retried_and_then_the_next_due_time_is_armed(shop: Instance) -> None:
    schedule = make_schedule(shop, retries=1, retry_delay=MINUTE)
    error = "preflight refused: room in main: 2 GiB needed"
    tick(T0)
    finish(start(only().job, T0), T0 + SECOND, JobStatus.REFUSED, error=error)
    tick(T0 + SECOND)
    assert (only().status, only().reason, only().detail) == ("due", "refused", error)
    again = T0 + MINUTE + SECOND
    tick(again)
    finish(start(only().job, again), again + SECOND, JobStatus.REFUSED, error=error)
    tick(again + SECOND)
    assert statuses() == [("refused", "refused")]
    assert unhealthy_runs([shop.pk]) == {(schedule.pk, shop.pk): "refused"}
    tick(T0 + timedelta(days=1))
    assert [status for status, _ in statuses()] == ["refused", "due"]


def test_a_refused_run_whose_schedule_is_disabled_before_its_retry_stays_refused(
    shop: Instance,
) -> None:
    schedule = make_schedule(shop, retries=5, retry_delay=MINUTE)
    tick(T0)
    finish(start(only().job, T0), T0 + SECOND, JobStatus.REFUSED, error="preflight refused: x")
    tick(T0 + SECOND)
    type(schedule).objects.update(enabled=False)
    tick(T0 + 2 * MINUTE)
    assert statuses() == [("refused", "refused")]


def test_when_no_retry_is_left_it_failed_and_the_next_due_time_is_armed(shop: Instance) -> None:
    schedule = make_schedule(shop, retries=1, retry_delay=MINUTE)
    at = T0
    for _ in range(2):
        tick(at)
        finish(start(only().job, at), at + SECOND, JobStatus.FAILED, error="copy failed: x")
        at += MINUTE + SECOND
        tick(at)
    assert statuses() == [("failed", "failed")]
    assert only().detail == "copy failed: x"
    schedule.refresh_from_db()
    assert schedule.next_due_at == T0 + timedelta(days=1)
    tick(T0 + timedelta(days=1))
    assert [status for status, _ in statuses()] == ["failed", "due"]


@pytest.mark.parametrize(
    ("ended_before", "retried"), [(10 * MINUTE + SECOND, True), (10 * MINUTE, False)]
)
def test_no_retry_begins_after_the_window(
    shop: Instance, ended_before: timedelta, retried: bool
) -> None:
    make_schedule(shop, window=HOUR, retries=5, retry_delay=10 * MINUTE)
    tick(T0)
    job = start(only().job, T0)
    finish(job, T0 + HOUR - ended_before, JobStatus.FAILED, error="x")
    tick(T0 + HOUR - ended_before)
    assert only().status == ("due" if retried else "failed")


def test_a_retry_that_could_not_start_in_time_has_failed(shop: Instance) -> None:
    schedule = make_schedule(shop, window=HOUR, retries=5, retry_delay=MINUTE)
    tick(T0)
    finish(start(only().job, T0), T0 + SECOND, JobStatus.FAILED, error="x", failed_stage="connect")
    tick(T0 + 10 * SECOND)
    assert only().reason == WaitReason.INSTANCE_UNREACHABLE
    pause_schedule(schedule, reason="storm", until=None, by=None, now=T0 + 20 * SECOND)
    tick(T0 + HOUR - SECOND)
    assert only().reason == WaitReason.PAUSED
    tick(T0 + HOUR)
    assert statuses() == [("failed", "paused")]


def test_a_person_who_cancels_is_believed(shop: Instance) -> None:
    make_schedule(shop, retries=3)
    tick(T0)
    job = only().job
    with time_machine.travel(T0 + SECOND, tick=False):
        assert job is not None and request_cancel(job, actor="anna")
    tick(T0 + 10 * SECOND)
    assert statuses() == [("cancelled", "")]


@pytest.mark.parametrize(("given", "expected"), [(30 * MINUTE, 30 * MINUTE), (None, 4 * HOUR)])
def test_an_overrun_is_noted_at_the_expected_length_or_the_end_of_the_window(
    shop: Instance, given: timedelta | None, expected: timedelta
) -> None:
    make_schedule(shop, expected_duration=given, window=4 * HOUR)
    tick(T0)
    start(only().job, T0)
    tick(T0)
    tick(T0 + expected - SECOND)
    assert only().overran_at is None
    tick(T0 + expected)
    overrun = only()
    assert (overrun.status, overrun.overran_at) == ("running", T0 + expected)
    assert ("longer than expected" if given else "beyond its window") in overrun.detail
    tick(T0 + expected + MINUTE)
    assert only().overran_at == T0 + expected


def test_what_is_expected_is_learnt_from_the_runs_before(shop: Instance) -> None:
    schedule = make_schedule(shop)
    for day in range(1, 6):
        began = T0 - timedelta(days=day)
        job = Job.objects.create(
            operation="backup", kind="full", instance=shop, started_at=began,
            ended_at=began + 20 * MINUTE, status="succeeded",
        )  # fmt: skip
        Occurrence.objects.create(
            schedule=schedule, instance=shop, due_at=began, starts_at=began, late_after=began,
            missed_after=began, status="succeeded", job=job,
        )  # fmt: skip
    tick(T0)
    start(Occurrence.objects.get(due_at=T0).job, T0)
    tick(T0)
    assert Occurrence.objects.get(due_at=T0).overrun_after == T0 + 21 * MINUTE


def test_at_the_end_of_its_window_a_run_is_stopped_where_that_is_wanted(shop: Instance) -> None:
    make_schedule(shop, window=HOUR, at_window_end="cancel", retries=3)
    tick(T0)
    job = start(only().job, T0 + MINUTE)
    tick(T0 + MINUTE)
    tick(T0 + HOUR - SECOND)
    job.refresh_from_db()
    assert not job.cancel_requested
    tick(T0 + HOUR)
    job.refresh_from_db()
    assert job.cancel_requested
    last = job.events.last()
    assert last is not None and last.actor == "schedule nightly"
    finish(job, T0 + HOUR + SECOND, JobStatus.CANCELLED)
    tick(T0 + HOUR + 10 * SECOND)
    ended = only()
    # Nobody has a backup: that must not look like a person's wish.
    assert (ended.status, ended.reason, ended.overran_at) == ("failed", "window_end", T0 + HOUR)


def test_a_job_whose_row_is_gone_is_a_failure(shop: Instance) -> None:
    make_schedule(shop)
    tick(T0)
    start(only().job, T0)
    tick(T0)
    Job.objects.all().delete()
    tick(T0 + 5 * MINUTE)
    assert statuses() == [("failed", "failed")]


def test_one_that_cannot_be_decided_keeps_nobody_waiting(shop: Instance) -> None:
    other = make_instances(1, "other")[0]
    make_schedule(shop, other, window=HOUR, catch_up="skip")
    tick(T0)
    finish(start(Job.objects.get(instance=other), T0), T0 + SECOND)
    # What no process of ours writes: it runs, and its job was never claimed.
    Occurrence.objects.filter(instance=shop).update(status="running", next_check_at=T0)
    tick(T0 + HOUR)
    assert Occurrence.objects.get(instance=other).status == "succeeded"
    broken = Occurrence.objects.get(instance=shop)
    assert (broken.status, broken.next_check_at) == ("running", T0 + HOUR + MINUTE)


def test_a_tick_with_nothing_due_costs_a_few_queries(shop: Instance) -> None:
    make_schedule(*make_instances(30))
    tick(T0)
    with CaptureQueriesContext(connection) as queries:
        tick(T0 + 10 * SECOND)
    assert len(queries) <= 8


def test_a_job_requested_again_is_still_the_run_of_its_schedule(shop: Instance) -> None:
    make_schedule(shop)
    tick(T0)
    first = start(only().job, T0 + SECOND)
    tick(T0 + 10 * SECOND)
    finish(first, T0 + 15 * SECOND, JobStatus.FAILED, error="the worker was shut down")
    with time_machine.travel(T0 + 16 * SECOND, tick=False):
        again = request_again(first)
    tick(T0 + 20 * SECOND)
    waits = only()
    assert (waits.status, waits.job, waits.attempts) == ("due", again, 2)
    finish(start(again, T0 + 30 * SECOND), T0 + 40 * SECOND)
    tick(T0 + 50 * SECOND)
    assert (statuses(), Job.objects.count()) == ([("succeeded", "")], 2)


def test_a_retry_planned_before_a_job_is_requested_again_does_not_start_another(
    shop: Instance,
) -> None:
    make_schedule(shop, retries=2)
    tick(T0)
    first = start(only().job, T0 + SECOND)
    finish(first, T0 + 15 * SECOND, JobStatus.FAILED, error="the worker was shut down")
    tick(T0 + 20 * SECOND)
    assert only().retry_at is not None
    with time_machine.travel(T0 + 21 * SECOND, tick=False):
        again = request_again(first)
    assert (only().retry_at, only().reason) == (None, "")
    finish(start(again, T0 + 30 * SECOND), T0 + 40 * SECOND)
    tick(T0 + 50 * SECOND)
    tick(T0 + HOUR)
    assert (statuses(), Job.objects.count()) == ([("succeeded", "")], 2)


def test_a_schedule_that_cannot_be_read_is_no_time_without_a_scheduler(shop: Instance) -> None:
    make_schedule(shop, window=HOUR)
    tick(T0)
    make_schedule(name="broken")
    BackupSchedule.objects.filter(name="broken").update(time_zone="Nowhere/Atall", next_due_at=T0)
    for minutes in range(1, 62):
        at = T0 + minutes * MINUTE
        begin_tick(TICK, at)
        with pytest.raises(BadInput):
            plan_occurrences(at)
        end_tick(TICK, at, error="BadInput")
    assert silent_since(TICK, T0 + 61 * MINUTE) is None
    # Nobody claimed its job: it is missed, and gets no second window.
    assert statuses() == [("missed", WaitReason.NO_WORKER)]
