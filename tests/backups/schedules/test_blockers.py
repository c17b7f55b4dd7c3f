"""What stands in the way of a start, and what comes of it: said in the reason, gone when it is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backups.jobs.request import create_backup_job
from backups.models import Instance, Job, Occurrence, Repository
from backups.retention.stored import unhealthy_runs
from backups.schedules.pauses import pause_schedule, resume_schedule
from backups.schedules.save import save_schedule
from backups.schedules.tick import decide_due
from backups.states import JobStatus, OccurrenceStatus, WaitReason
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


def test_while_paused_it_waits_and_then_starts_or_is_missed(shop: Instance) -> None:
    schedule = make_schedule(shop, window=2 * HOUR)
    pause_schedule(schedule, reason="upgrade", until=T0 + HOUR, by=None, now=T0 - MINUTE)
    tick(T0)
    waiting = only()
    assert (waiting.status, waiting.reason, waiting.detail) == ("due", "paused", "upgrade")
    tick(T0 + HOUR - SECOND)
    assert not Job.objects.exists()
    tick(T0 + HOUR)
    schedule.refresh_from_db()
    assert schedule.paused_at is None
    assert Job.objects.count() == 1


def test_a_pause_without_end_misses_with_its_reason(shop: Instance) -> None:
    schedule = make_schedule(shop, window=HOUR)
    pause_schedule(schedule, reason="upgrade", until=None, by=None, now=T0 - MINUTE)
    for minutes in (0, 15, 59):
        tick(T0 + minutes * MINUTE)
    tick(T0 + HOUR)
    missed = only()
    assert (missed.status, missed.reason, missed.detail) == ("missed", "paused", "upgrade")
    assert missed.late_at == T0 + 15 * MINUTE


def test_resuming_starts_only_the_newest_of_what_waited(shop: Instance) -> None:
    schedule = make_schedule(shop, every_hours=1, anchor_at=T0, window=4 * HOUR)
    pause_schedule(schedule, reason="upgrade", until=None, by=None, now=T0 - MINUTE)
    for hour in range(3):
        tick(T0 + hour * HOUR)
    resume_schedule(schedule, now=T0 + 2 * HOUR + MINUTE)
    tick(T0 + 2 * HOUR + MINUTE)
    # It keeps saying why it began so late.
    assert statuses() == [("skipped", "superseded"), ("skipped", "superseded"), ("due", "paused")]
    assert Job.objects.get().occurrence == Occurrence.objects.order_by("due_at").last()


def test_a_disabled_instance_waits_and_gets_no_further_occurrences(shop: Instance) -> None:
    make_schedule(shop, stagger=HOUR, window=HOUR)
    tick(T0)
    Instance.objects.update(enabled=False)
    starts_at = only().starts_at
    tick(starts_at)
    assert (only().status, only().reason) == ("due", "instance_disabled")
    tick(starts_at + HOUR - SECOND)
    tick(starts_at + HOUR)
    assert statuses() == [("missed", "instance_disabled")]
    tick(T0 + timedelta(days=1))
    assert Occurrence.objects.count() == 1


@pytest.mark.parametrize("repair", [True, False])
def test_a_disabled_repository_is_the_reason(shop: Instance, repair: bool) -> None:
    schedule = make_schedule(shop, window=HOUR)
    schedule.repositories.add(Repository.objects.get())
    Repository.objects.update(enabled=False)
    tick(T0)
    assert (only().reason, only().detail) == ("repository", "repository main is disabled")
    if repair:
        Repository.objects.update(enabled=True)
    tick(T0 + MINUTE)
    assert Job.objects.exists() == repair
    tick(T0 + HOUR - SECOND)
    tick(T0 + HOUR)
    assert only().status == OccurrenceStatus.MISSED
    assert only().reason == (WaitReason.NO_WORKER if repair else WaitReason.REPOSITORY)


def test_without_a_choice_of_repository_that_is_the_reason(shop: Instance) -> None:
    make_schedule(shop)
    make_place("second")
    tick(T0)
    assert only().reason == WaitReason.REPOSITORY
    assert "several are enabled" in only().detail


def test_a_kind_the_engine_cannot_take_is_refused_in_words(shop: Instance) -> None:
    make_schedule(shop, kind="partial")
    tick(T0)
    assert (only().status, only().reason) == ("due", "refused")
    assert "partial backups are not supported by engine fake" in only().detail


def test_a_run_that_still_goes_holds_up_the_next_one_until_it_ends(shop: Instance) -> None:
    make_schedule(shop, every_hours=1, anchor_at=T0, window=4 * HOUR)
    tick(T0)
    job = start(only().job, T0)
    for hour in (1, 2, 3):
        with_worker(T0 + hour * HOUR)
        tick(T0 + hour * HOUR)
    assert statuses() == [
        ("running", ""),
        ("missed", "previous_running"),
        ("missed", "previous_running"),
        ("due", "previous_running"),
    ]
    finish(job, T0 + 3 * HOUR + MINUTE)
    # No waiting for the next look: the end of the job brings it forward.
    tick(T0 + 3 * HOUR + MINUTE)
    assert [status for status, _ in statuses()][-1] == "due"
    assert Job.objects.count() == 2


def test_where_nobody_works_what_waits_for_a_waiting_job_blames_that(shop: Instance) -> None:
    make_schedule(shop, every_hours=1, anchor_at=T0, window=4 * HOUR)
    for hour in range(3):
        tick(T0 + hour * HOUR)
    waited = Occurrence.objects.order_by("due_at")[1]
    assert (waited.status, waited.reason) == ("missed", "no_worker")
    assert waited.detail == (
        f"backup job {Job.objects.get().pk} is pending, and no worker consumes the backup queue"
    )


@pytest.mark.parametrize("window", [HOUR, 4 * HOUR])
def test_what_was_in_the_way_until_the_next_slot_is_why_it_was_missed(
    shop: Instance, window: timedelta
) -> None:
    schedule = make_schedule(shop, every_hours=1, anchor_at=T0, window=window)
    Repository.objects.update(enabled=False)
    schedule.repositories.add(Repository.objects.get())
    for after in (0 * MINUTE, 15 * MINUTE, HOUR - SECOND, HOUR, HOUR + MINUTE):
        tick(T0 + after)
    assert statuses() == [("missed", "repository"), ("due", "repository")]
    missed = Occurrence.objects.earliest("due_at")
    assert (missed.detail, missed.late_at) == ("repository main is disabled", T0 + 15 * MINUTE)
    # What the schedule made before must not expire meanwhile.
    assert unhealthy_runs([shop.pk]) == {(schedule.pk, shop.pk): "missed"}


def test_a_window_that_closed_while_nobody_looked_says_so(shop: Instance) -> None:
    make_schedule(shop, every_hours=1, anchor_at=T0, window=HOUR)
    Repository.objects.update(enabled=False)
    tick(T0)
    tick(T0 + HOUR + MINUTE)
    assert statuses() == [("missed", "scheduler_down"), ("due", "repository")]


def test_due_times_not_accounted_for_yet_do_not_hide_what_was_in_the_way(shop: Instance) -> None:
    schedule = make_schedule(shop, every_hours=1, anchor_at=T0, window=4 * HOUR)
    Repository.objects.update(enabled=False)
    tick(T0)
    assert decide_due(T0 + HOUR) == 1
    waiting = only()
    assert (waiting.reason, waiting.status) == ("repository", "due")
    assert waiting.next_check_at == T0 + HOUR + SECOND
    tick(T0 + HOUR + SECOND)
    assert [status for status, _ in statuses()] == ["missed", "due"]
    assert unhealthy_runs([shop.pk]) == {(schedule.pk, shop.pk): "missed"}


def test_somebody_elses_backup_holds_it_up_as_well(shop: Instance) -> None:
    make_schedule(shop)
    job = create_backup_job(shop, wake=False)
    tick(T0)
    assert (only().reason, only().detail) == ("previous_running", f"backup job {job.pk} is pending")


def test_a_limit_lets_the_others_wait(db: None) -> None:
    make_place()
    make_schedule(*make_instances(5), max_jobs=2, window=HOUR)
    tick(T0)
    assert sorted(statuses()) == [("due", ""), ("due", "")] + [("due", "limit")] * 3
    finish(start(Job.objects.first(), T0), T0 + MINUTE)
    tick(T0 + MINUTE)
    assert Job.objects.count() == 3
    tick(T0 + HOUR - SECOND)
    tick(T0 + HOUR)
    ended = sorted(statuses())
    assert ended == [("missed", "limit")] * 2 + [("missed", "no_worker")] * 2 + [("succeeded", "")]


def test_a_disabled_schedule_ends_what_waits_and_plans_no_more(shop: Instance) -> None:
    schedule = make_schedule(shop)
    tick(T0)
    schedule.refresh_from_db()
    schedule.enabled = False
    save_schedule(schedule, T0 + MINUTE)
    tick(T0 + MINUTE)
    assert statuses() == [("skipped", "schedule_disabled")]
    assert Job.objects.get().status == JobStatus.CANCELLED
    tick(T0 + timedelta(days=2))
    assert Occurrence.objects.count() == 1


def test_a_disabled_schedule_lets_a_run_finish(shop: Instance) -> None:
    schedule = make_schedule(shop)
    tick(T0)
    job = start(only().job, T0)
    tick(T0)
    schedule.refresh_from_db()
    schedule.enabled = False
    save_schedule(schedule, T0 + MINUTE)
    finish(job, T0 + 2 * MINUTE)
    tick(T0 + 2 * MINUTE)
    assert statuses() == [("succeeded", "")]


def test_two_schedules_of_one_moment_do_not_share_an_instance(shop: Instance) -> None:
    make_schedule(shop, name="one")
    make_schedule(shop, name="two")
    tick(T0)
    assert sorted(statuses()) == [("due", ""), ("due", "previous_running")]
    assert Job.objects.count() == 1
