"""After this one, start that one: once, at once, and never silently not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from backups.exceptions import BadInput
from backups.models import BackupSchedule, Instance, Occurrence
from backups.models.schedule import AfterRun
from backups.schedules.coverage import covering_schedules, never_reached, uncovered_instances
from backups.schedules.followers import judge, plan_followers
from backups.schedules.save import save_schedule
from backups.states import JobStatus, OccurrenceStatus, WaitReason
from backups.transitions.occurrences import move_occurrence
from tests.backups.planning import (
    HOUR,
    MINUTE,
    SECOND,
    T0,
    finish,
    make_instances,
    make_place,
    make_schedule,
    start,
    tick,
)

pytestmark = pytest.mark.django_db
S = OccurrenceStatus


@pytest.fixture
def shop(db: None) -> Instance:
    make_place()
    return make_instances(1, "shop")[0]


def chain(*instances: Instance, **values: object) -> tuple[BackupSchedule, BackupSchedule]:
    first = make_schedule(*instances)
    return first, follow(first, *instances, **values)


def follow(first: BackupSchedule, *instances: Instance, **values: object) -> BackupSchedule:
    return make_schedule(*instances, **{"name": "logs", "cron": "", "after": first, **values})


def runs(schedule: BackupSchedule) -> list[tuple[str, str, str]]:
    rows = Occurrence.objects.filter(schedule=schedule).order_by("due_at", "id")
    return list(rows.values_list("status", "reason", "detail"))


def run_of(schedule: BackupSchedule) -> Occurrence:
    return Occurrence.objects.select_related("job__instance", "follows").get(schedule=schedule)


@pytest.mark.parametrize(
    ("status", "reason", "after_run", "expected"),
    [
        (S.SUCCEEDED, "", AfterRun.SUCCEEDED, S.DUE),
        (S.FAILED, "failed", AfterRun.SUCCEEDED, S.MISSED),
        (S.REFUSED, "refused", AfterRun.SUCCEEDED, S.MISSED),
        (S.MISSED, "no_worker", AfterRun.SUCCEEDED, S.MISSED),
        (S.CANCELLED, "", AfterRun.SUCCEEDED, S.SKIPPED),
        (S.SKIPPED, "schedule_disabled", AfterRun.SUCCEEDED, S.SKIPPED),
        (S.SKIPPED, "superseded", AfterRun.SUCCEEDED, S.SKIPPED),
        (S.FAILED, "failed", AfterRun.ENDED, S.DUE),
        (S.MISSED, "no_worker", AfterRun.ENDED, S.DUE),
        (S.CANCELLED, "", AfterRun.ENDED, S.DUE),
        (S.SKIPPED, "superseded", AfterRun.ENDED, S.SKIPPED),
    ],
)
def test_what_follows_each_end(
    status: OccurrenceStatus, reason: str, after_run: AfterRun, expected: OccurrenceStatus
) -> None:
    assert judge(status, reason, after_run, "nightly").status is expected


def test_it_starts_in_the_tick_that_sees_the_end(shop: Instance) -> None:
    first, second = chain(shop)
    tick(T0)
    assert runs(second) == []
    finish(start(run_of(first).job, T0 + SECOND), T0 + HOUR)
    tick(T0 + HOUR + 5 * SECOND)
    following = run_of(second)
    assert (following.status, following.due_at) == ("due", T0 + HOUR)
    assert (following.follows, following.late_after) == (run_of(first), T0 + HOUR + 15 * MINUTE)
    assert following.job is not None
    assert following.job.instance == shop


def test_two_ticks_plan_one_run(shop: Instance) -> None:
    first, second = chain(shop)
    tick(T0)
    finish(start(run_of(first).job, T0 + SECOND), T0 + HOUR)
    tick(T0 + HOUR)
    # As if the second tick had read the mark before the first one removed it.
    Occurrence.objects.filter(schedule=first).update(unfollowed=True)
    plan_followers(T0 + HOUR + SECOND)
    assert len(runs(second)) == 1
    assert not Occurrence.objects.filter(unfollowed=True).exists()


def test_the_database_refuses_a_second_run_after_one(shop: Instance) -> None:
    first, second = chain(shop)
    tick(T0)
    finish(start(run_of(first).job, T0 + SECOND), T0 + HOUR)
    tick(T0 + HOUR)
    again = run_of(second)
    again.pk, again.due_at = None, again.due_at + HOUR
    with pytest.raises(IntegrityError), transaction.atomic():
        again.save(force_insert=True)


def test_a_killed_scheduler_leaves_the_mark(shop: Instance) -> None:
    first, second = chain(shop)
    tick(T0)
    finish(start(run_of(first).job, T0 + SECOND), T0 + HOUR)
    ended = run_of(first)
    # The end is committed; the process is killed before it plans what follows.
    assert move_occurrence(ended, S.SUCCEEDED, now=T0 + HOUR, ended_at=T0 + HOUR)
    assert runs(second) == []
    tick(T0 + HOUR + MINUTE)
    assert [status for status, _, _ in runs(second)] == ["due"]


def test_a_retry_that_succeeds_is_followed_once(shop: Instance) -> None:
    first = make_schedule(shop, retries=1, retry_delay=MINUTE)
    second = follow(first, shop)
    tick(T0)
    finish(start(run_of(first).job, T0), T0 + SECOND, JobStatus.FAILED, error="disk full")
    tick(T0 + 2 * SECOND)
    assert runs(second) == []
    tick(T0 + 2 * MINUTE)
    finish(start(run_of(first).job, T0 + 2 * MINUTE), T0 + 3 * MINUTE)
    tick(T0 + 4 * MINUTE)
    assert [status for status, _, _ in runs(second)] == ["due"]


def test_a_failed_run_leaves_a_missed_one_with_the_reason(shop: Instance) -> None:
    first, second = chain(shop)
    third = follow(second, shop, name="weekly")
    tick(T0)
    finish(start(run_of(first).job, T0), T0 + SECOND, JobStatus.FAILED, error="disk full")
    tick(T0 + 2 * SECOND)
    missed = ("missed", WaitReason.PREDECESSOR)
    assert runs(second) == [(*missed, "waits for nightly, which failed (due at 2026-03-02 02:00Z)")]
    tick(T0 + 3 * SECOND)
    assert runs(third) == [(*missed, "waits for logs, which was missed (due at 2026-03-02 02:00Z)")]


def test_however_it_ended_is_a_choice(shop: Instance) -> None:
    first, second = chain(shop, after_run=AfterRun.ENDED)
    tick(T0)
    finish(start(run_of(first).job, T0), T0 + SECOND, JobStatus.FAILED, error="disk full")
    tick(T0 + 2 * SECOND)
    assert run_of(second).job is not None


def test_a_run_missed_in_a_downtime_is_followed_too(shop: Instance) -> None:
    first = make_schedule(shop, catch_up="skip")
    second = follow(first, shop)
    tick(T0 - MINUTE)
    tick(T0 + 30 * HOUR)
    assert [status for status, _, _ in runs(first)] == ["missed", "missed"]
    assert [status for status, _, _ in runs(second)] == ["missed", "missed"]


def test_its_window_begins_when_the_other_ended(shop: Instance) -> None:
    first, second = chain(shop, window=2 * HOUR)
    tick(T0)
    finish(start(run_of(first).job, T0), T0 + HOUR)
    tick(T0 + HOUR)
    tick(T0 + 3 * HOUR - SECOND)
    assert run_of(second).status == S.DUE
    tick(T0 + 3 * HOUR)
    assert run_of(second).status == S.MISSED


def test_a_paused_follower_waits_and_a_disabled_one_has_no_run(shop: Instance) -> None:
    first, second = chain(shop, paused_at=T0, paused_reason="move")
    off = follow(first, shop, name="off", enabled=False)
    tick(T0)
    finish(start(run_of(first).job, T0), T0 + HOUR)
    tick(T0 + HOUR)
    assert runs(second) == [("due", "paused", "move")]
    assert runs(off) == []


def test_an_instance_is_followed_for_itself(shop: Instance) -> None:
    other = make_instances(1, "crm")[0]
    first = make_schedule(shop, other)
    second = follow(first, shop)
    tick(T0)
    for run in Occurrence.objects.filter(schedule=first).select_related("job__instance"):
        finish(start(run.job, T0), T0 + HOUR)
    tick(T0 + HOUR)
    assert run_of(second).instance == shop


def test_two_ends_at_one_moment_are_both_followed(shop: Instance) -> None:
    first, second = chain(shop)
    tick(T0)
    old = run_of(first)
    later = Occurrence.objects.create(
        schedule=first, instance=shop, due_at=T0 + MINUTE, starts_at=T0, late_after=T0,
        missed_after=T0 + HOUR, status=S.DUE,
    )  # fmt: skip
    for run in (old, later):
        move_occurrence(run, S.MISSED, now=T0 + HOUR, reason=WaitReason.NO_WORKER)
    plan_followers(T0 + HOUR)
    assert len(runs(second)) == 2


def test_a_run_seen_after_it_was_missed_lets_its_follower_start(shop: Instance) -> None:
    first, second = chain(shop)
    tick(T0)
    observed = run_of(first)
    move_occurrence(observed, S.MISSED, now=T0 + HOUR, reason=WaitReason.NOTHING_SEEN)
    plan_followers(T0 + HOUR)
    assert run_of(second).status == S.MISSED
    move_occurrence(observed, S.DUE, now=T0 + HOUR, ended_at=None)
    move_occurrence(observed, S.SUCCEEDED, now=T0 + HOUR, ended_at=T0 + MINUTE)
    plan_followers(T0 + HOUR)
    again = run_of(second)
    assert (again.status, again.reason, again.due_at) == ("due", "", T0 + MINUTE)


def test_a_circle_is_refused_by_form_and_save(shop: Instance) -> None:
    first, second = chain(shop)
    first.cron, first.after = "", second
    with pytest.raises(BadInput, match="nightly may not run after logs") as refused:
        save_schedule(first, T0)
    assert refused.value.hint == (
        "This would be a circle: it would run after logs, which runs after nightly."
    )


def test_the_database_refuses_a_schedule_after_itself(shop: Instance) -> None:
    _, second = chain(shop)
    with pytest.raises(IntegrityError), transaction.atomic():
        BackupSchedule.objects.filter(pk=second.pk).update(after=second.pk)


def test_the_length_of_a_chain_is_bounded(shop: Instance) -> None:
    last = make_schedule(shop)
    for name in ("b", "c", "d"):
        last = follow(last, shop, name=name)
    with pytest.raises(BadInput, match="e may not run after d"):
        follow(last, shop, name="e")


def test_a_chain_covers_what_its_first_schedule_covers(shop: Instance) -> None:
    crm = make_instances(1, "crm")[0]
    first = make_schedule(shop)
    second = follow(first, shop, crm)
    assert list(never_reached(second)) == [crm]
    assert list(uncovered_instances()) == [crm]
    assert covering_schedules([shop.pk, crm.pk]) == {shop.pk: {first.pk, second.pk}, crm.pk: set()}


def test_a_tick_costs_the_same_for_many_followers(shop: Instance) -> None:
    others = make_instances(30)
    first, second = chain(shop, *others)
    tick(T0)
    ended = Occurrence.objects.filter(schedule=first)
    ended.update(status=S.SUCCEEDED, ended_at=T0 + HOUR, next_check_at=None, unfollowed=True)
    with CaptureQueriesContext(connection) as queries:
        assert plan_followers(T0 + HOUR + timedelta(seconds=1)) == 31
    assert len(queries) < 20
    assert len(runs(second)) == 31
