"""Backups that somebody else takes meet the occurrences that were waiting for them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from backups.models import BackupSchedule, Instance, Job, ObservedHistory, Occurrence
from backups.schedules.matching import match_jobs
from backups.states import JobStatus
from tests.backups.planning import (
    HOUR,
    MINUTE,
    SECOND,
    T0,
    make_instances,
    make_schedule,
    only,
    statuses,
    tick,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(db: None) -> Instance:
    return make_instances(1, "shop")[0]


@pytest.fixture
def watched(shop: Instance) -> BackupSchedule:
    return make_schedule(shop, origin="observed", window=4 * HOUR, grace=HOUR)


def seen(
    instance: Instance,
    started_at: datetime,
    status: JobStatus = JobStatus.SUCCEEDED,
    kind: str = "full",
    error: str = "",
) -> Job:
    """A run that a reader found in the tool's history."""
    return Job.objects.create(
        operation="backup", origin="observed", instance=instance, kind=kind, status=status,
        started_at=started_at, error=error,
        ended_at=None if status == JobStatus.RUNNING else started_at + 10 * MINUTE,
    )  # fmt: skip


def read(instance: Instance, at: datetime, verdict: str = "read", detail: str = "") -> None:
    ObservedHistory.objects.update_or_create(
        instance=instance,
        defaults={"verdict": verdict, "read_at": at, "next_read_at": at, "detail": detail},
    )


def test_an_observed_occurrence_starts_no_job(watched: BackupSchedule) -> None:
    tick(T0)
    assert (only().status, Job.objects.count()) == ("due", 0)
    tick(T0 + HOUR)
    assert only().late_at == T0 + HOUR


@pytest.mark.parametrize(
    ("offset", "met"),
    [
        (-30 * MINUTE - SECOND, 0),
        (-30 * MINUTE, 1),
        (timedelta(0), 1),
        (4 * HOUR - SECOND, 1),
        (4 * HOUR, 0),
    ],
)
def test_a_run_meets_the_occurrence_whose_window_holds_its_start(
    watched: BackupSchedule, shop: Instance, offset: timedelta, met: int
) -> None:
    tick(T0)
    job = seen(shop, T0 + offset)
    assert match_jobs([job], T0 + HOUR) == met
    assert match_jobs([Job.objects.get()], T0 + HOUR) == 0
    tick(T0 + HOUR)
    assert only().status == ("succeeded" if met else "due")
    assert Job.objects.get().occurrence_id == (only().pk if met else None)


def test_a_run_that_was_read_before_the_occurrence_was_born(
    watched: BackupSchedule, shop: Instance
) -> None:
    job = seen(shop, T0 - 5 * MINUTE)
    assert match_jobs([job], T0 - MINUTE) == 0
    tick(T0)
    assert (statuses(), only().job) == ([("succeeded", "")], job)


def test_a_run_of_another_kind_or_of_ours_meets_nothing(
    watched: BackupSchedule, shop: Instance
) -> None:
    tick(T0)
    ours = Job.objects.create(operation="backup", instance=shop, kind="full", started_at=T0)
    assert match_jobs([seen(shop, T0, kind="incremental")], T0) == 0
    tick(T0 + HOUR)
    assert only().job is None
    assert Job.objects.get(pk=ours.pk).occurrence is None


def test_a_run_is_followed_while_it_goes(watched: BackupSchedule, shop: Instance) -> None:
    tick(T0)
    job = seen(shop, T0, JobStatus.RUNNING)
    assert match_jobs([job], T0 + MINUTE) == 1
    tick(T0 + MINUTE)
    assert only().status == "running"
    tick(T0 + 4 * HOUR)
    assert only().overran_at == T0 + 4 * HOUR
    Job.objects.update(**{"status": "succeeded", "ended_at": T0 + 5 * HOUR})
    assert match_jobs([Job.objects.get()], T0 + 5 * HOUR) == 0
    tick(T0 + 5 * HOUR)
    assert (only().status, only().ended_at) == ("succeeded", T0 + 5 * HOUR)


def test_a_failed_run_may_be_made_good_inside_the_window(
    watched: BackupSchedule, shop: Instance
) -> None:
    tick(T0)
    match_jobs([seen(shop, T0, JobStatus.FAILED, error="disk full")], T0 + 15 * MINUTE)
    tick(T0 + 15 * MINUTE)
    assert (only().status, only().reason, only().detail) == ("due", "failed", "disk full")
    match_jobs([seen(shop, T0 + HOUR)], T0 + 2 * HOUR)
    tick(T0 + 2 * HOUR)
    assert (only().status, only().attempts) == ("succeeded", 2)


def test_a_failed_run_that_nobody_repeated_has_failed(
    watched: BackupSchedule, shop: Instance
) -> None:
    tick(T0)
    match_jobs([seen(shop, T0, JobStatus.FAILED, error="disk full")], T0 + 15 * MINUTE)
    tick(T0 + 15 * MINUTE)
    tick(T0 + 4 * HOUR)
    assert (statuses(), only().detail) == ([("failed", "failed")], "disk full")


def test_nothing_was_seen(watched: BackupSchedule, shop: Instance) -> None:
    tick(T0)
    read(shop, T0 + 4 * HOUR)
    tick(T0 + 4 * HOUR)
    assert statuses() == [("missed", "nothing_seen")]


def test_a_reading_that_is_due_is_waited_for(watched: BackupSchedule, shop: Instance) -> None:
    tick(T0)
    read(shop, T0 + 4 * HOUR - SECOND)
    tick(T0 + 4 * HOUR)
    assert only().status == "due"
    read(shop, T0 + 4 * HOUR + MINUTE)
    tick(T0 + 4 * HOUR + MINUTE)
    assert statuses() == [("missed", "nothing_seen")]


@pytest.mark.parametrize("verdict", ["unknown", "refused", "", "old"])
def test_where_nothing_can_be_known_that_is_the_reason(
    watched: BackupSchedule, shop: Instance, verdict: str
) -> None:
    tick(T0)
    closed = T0 + 4 * HOUR
    if verdict == "old":
        read(shop, T0)
        closed += 15 * MINUTE
    elif verdict:
        read(shop, T0 + 4 * HOUR, verdict, "no such table")
    tick(closed - SECOND)
    assert only().status == "due"
    tick(closed)
    assert statuses() == [("missed", "history_unknown")]


def test_after_our_own_downtime_the_history_is_the_judge(
    watched: BackupSchedule, shop: Instance
) -> None:
    tick(T0 - HOUR)
    back = T0 + timedelta(days=1, hours=10)
    job = seen(shop, T0 + MINUTE)
    read(shop, T0)
    tick(back)
    first, second = Occurrence.objects.order_by("due_at")
    assert (first.status, first.job) == ("succeeded", job)
    assert second.status == "due"
    read(shop, back + MINUTE)
    tick(back + MINUTE)
    assert statuses() == [("succeeded", ""), ("missed", "nothing_seen")]


def test_of_two_windows_the_nearer_one_is_met(shop: Instance) -> None:
    make_schedule(shop, origin="observed", every_hours=1, anchor_at=T0, window=4 * HOUR)
    tick(T0)
    tick(T0 + HOUR)
    match_jobs([seen(shop, T0 + 50 * MINUTE)], T0 + HOUR)
    tick(T0 + HOUR + MINUTE)
    assert [status for status, _ in statuses()] == ["due", "succeeded"]


@pytest.mark.parametrize("verdict", ["read", "refused"])
@pytest.mark.parametrize(
    ("status", "became"),
    [
        (JobStatus.SUCCEEDED, ("succeeded", "")),
        (JobStatus.FAILED, ("failed", "failed")),
        (JobStatus.RUNNING, ("running", "")),
    ],
)
def test_a_run_that_turns_up_late_is_not_missed_after_all(
    shop: Instance,
    watched: BackupSchedule,
    verdict: str,
    status: JobStatus,
    became: tuple[str, str],
) -> None:
    tick(T0)
    read(shop, T0 + 4 * HOUR, verdict)
    tick(T0 + 4 * HOUR)
    assert only().status == "missed"
    job = seen(shop, T0 + MINUTE, status)
    assert match_jobs([job], T0 + 6 * HOUR) == 1
    assert (only().status, only().ended_at) == ("due", None)
    tick(T0 + 6 * HOUR)
    assert statuses() == [became]
    assert match_jobs([job], T0 + 6 * HOUR) == 0


def test_what_was_missed_for_another_reason_stays_missed(
    shop: Instance, watched: BackupSchedule
) -> None:
    tick(T0)
    Occurrence.objects.update(status="missed", reason="scheduler_down", next_check_at=None)
    assert match_jobs([seen(shop, T0 + MINUTE)], T0 + HOUR) == 0
