"""A run that outlasts its window is limited to a rate, once, and the lower limit wins."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from backups.models import BackupSchedule, Instance, Job, JobLogLine, JobStage
from backups.models.schedule import SLOW_BYTES_PER_S, AtWindowEnd
from backups.schedules.slowing import choose_limit
from backups.states import JobStatus, StageStatus
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
    tick,
)

pytestmark = pytest.mark.django_db
MIB = 1024**2
WORDS = "window of nightly ended at 2026-03-02 03:00Z: limited to 20.0 MiB/s"


@pytest.fixture
def shop(db: None) -> Instance:
    make_place()
    return make_instances(1, "shop")[0]


def running(shop: Instance, **values: object) -> Job:
    """A run of a schedule with a window of an hour, which is running since its begin."""
    make_schedule(shop, **{"window": HOUR, "at_window_end": AtWindowEnd.SLOW, **values})
    tick(T0)
    job = start(only().job, T0 + MINUTE)
    JobStage.objects.create(job=job, position=3, name="copy", status=StageStatus.RUNNING)
    tick(T0 + MINUTE)
    return job


@pytest.mark.parametrize(("by_hand", "limit"), [(None, 20), (0, 20), (5, 5), (20, 20), (50, 20)])
def test_the_lower_limit_wins(by_hand: int | None, limit: int) -> None:
    assert choose_limit(by_hand, 20) == limit


def test_it_is_limited_when_its_window_ends(shop: Instance) -> None:
    job = running(shop)
    tick(T0 + HOUR - SECOND)
    job.refresh_from_db()
    assert job.pace_limit is None
    tick(T0 + HOUR)
    job.refresh_from_db()
    assert (job.pace_limit, job.status) == (SLOW_BYTES_PER_S, "running")
    assert not job.cancel_requested
    last = job.events.last()
    assert last is not None and (last.actor, last.reason) == ("schedule nightly", WORDS)
    assert JobLogLine.objects.get().text == WORDS
    run = only()
    assert (run.status, run.reason, run.overran_at) == ("running", "window_slowed", T0 + HOUR)


def test_who_lifts_the_limit_afterwards_keeps_his_will(shop: Instance) -> None:
    job = running(shop)
    tick(T0 + HOUR)
    Job.objects.filter(pk=job.pk).update(pace_limit=0)
    tick(T0 + HOUR + 10 * MINUTE)
    job.refresh_from_db()
    assert job.pace_limit == 0
    assert JobLogLine.objects.count() == 1


@pytest.mark.parametrize(
    ("by_hand", "left", "words"),
    [
        (5 * MIB, 5 * MIB, "it stays limited to 5.0 MiB/s"),
        (50 * MIB, 8 * MIB, "limited to 8.0 MiB/s"),
        (0, 8 * MIB, "limited to 8.0 MiB/s"),
    ],
)
def test_a_limit_by_hand_and_that_of_the_window(
    shop: Instance, by_hand: int, left: int, words: str
) -> None:
    job = running(shop, slow_bytes_per_s=8 * MIB)
    Job.objects.filter(pk=job.pk).update(pace_limit=by_hand)
    tick(T0 + HOUR)
    job.refresh_from_db()
    assert job.pace_limit == left
    assert only().detail.endswith(f"runs beyond its window: {words}")


def test_a_run_that_has_copied_is_not_limited(shop: Instance) -> None:
    job = running(shop)
    JobStage.objects.update(status=StageStatus.SUCCEEDED)
    tick(T0 + HOUR)
    job.refresh_from_db()
    assert job.pace_limit is None
    assert not JobLogLine.objects.exists()
    assert only().detail.endswith("runs beyond its window")


def test_it_succeeds_as_an_overrun(shop: Instance) -> None:
    job = running(shop)
    tick(T0 + HOUR)
    finish(job, T0 + 3 * HOUR)
    tick(T0 + 3 * HOUR)
    run = only()
    assert (run.status, run.reason) == ("succeeded", "")
    assert run.detail.endswith("limited to 20.0 MiB/s")


def test_a_retry_begins_without_the_limit(shop: Instance) -> None:
    job = running(shop, retries=1, window=4 * HOUR)
    Job.objects.filter(pk=job.pk).update(pace_limit=5 * MIB)
    finish(job, T0 + HOUR, JobStatus.FAILED, error="disk full")
    tick(T0 + HOUR)
    tick(T0 + HOUR + 10 * MINUTE)
    again = only().job
    assert again is not None and again != job
    assert again.pace_limit is None


def test_an_observed_schedule_cannot_be_slowed() -> None:
    schedule = BackupSchedule(
        name="theirs", cron="0 2 * * *", origin="observed", at_window_end=AtWindowEnd.SLOW
    )
    with pytest.raises(ValidationError, match="An observed run cannot be limited"):
        schedule.full_clean()
