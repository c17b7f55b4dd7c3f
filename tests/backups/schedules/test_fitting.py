"""At its start: a run that will not fit says so, or is not started; and what that costs."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backups.models import Backup, BackupSchedule, Instance, Job, JobLogLine, Occurrence
from backups.models.schedule import WhenUnfit
from backups.schedules.fitting import forecast_starts
from backups.schedules.forecast import Fit
from backups.schedules.forecasts import forecast_next, load_past_runs, next_kind
from backups.schedules.make_up import load_overdue_fulls
from backups.states import JobStatus, Operation
from tests.backups.planning import (
    HOUR,
    MINUTE,
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
D = timedelta(days=1)
EXPECTED = "expected 5 h, window 4 h, from the last 4 runs"


@pytest.fixture
def shop(db: None) -> Instance:
    make_place()
    return make_instances(1, "shop")[0]


def past_run(
    instance: Instance,
    began_at: datetime,
    length: timedelta,
    *,
    kind: str = "full",
    operation: Operation = Operation.BACKUP,
) -> None:
    job = Job.objects.create(
        operation=operation, instance=instance, kind=kind,
        status=JobStatus.SUCCEEDED, started_at=began_at, ended_at=began_at + length,
    )  # fmt: skip
    Backup.objects.create(
        label=f"{instance.name}@{job.pk}", instance=instance, made_by=job, kind=kind,
        started_at=began_at + MINUTE, ended_at=began_at + length - MINUTE,
    )  # fmt: skip


def nights(instance: Instance, length: timedelta, count: int = 4) -> None:
    for night in range(1, count + 1):
        past_run(instance, T0 - night * D, length)


def test_it_starts_anyway_and_says_so(shop: Instance) -> None:
    make_schedule(shop, window=4 * HOUR)
    nights(shop, 5 * HOUR)
    tick(T0)
    job = only().job
    assert job is not None
    words = f"will probably not fit the window of nightly: {EXPECTED}"
    assert JobLogLine.objects.get(job=job).text == words
    assert [event.reason for event in job.events.all()] == ["requested", words]


def test_it_is_not_started_where_that_is_wanted(shop: Instance) -> None:
    schedule = make_schedule(shop, window=4 * HOUR, when_unfit=WhenUnfit.SKIP)
    nights(shop, 5 * HOUR)
    tick(T0)
    run = only()
    assert (run.status, run.reason, run.detail) == ("missed", "will_not_fit", EXPECTED)
    assert not Job.objects.filter(occurrence=run).exists()
    schedule.refresh_from_db()
    assert schedule.next_due_at == T0 + D
    # Armed again: once the window is long enough, the next run starts.
    BackupSchedule.objects.update(window=6 * HOUR)
    tick(T0 + D)
    assert Occurrence.objects.get(due_at=T0 + D).job is not None


def test_an_increment_runs_where_its_full_backup_would_not_fit(shop: Instance) -> None:
    make_schedule(
        shop, kind="incremental", full_cron="0 1 * * 1", window=4 * HOUR, when_unfit=WhenUnfit.SKIP
    )
    Occurrence.objects.create(
        schedule=BackupSchedule.objects.get(), instance=shop, kind="full", due_at=T0 - D,
        starts_at=T0 - D, late_after=T0 - D, missed_after=T0 - D, status="missed",
        reason="will_not_fit",
    )  # fmt: skip
    due = Occurrence.objects.create(
        schedule=BackupSchedule.objects.get(), instance=shop, kind="incremental", due_at=T0,
        starts_at=T0, late_after=T0, missed_after=T0 + HOUR,
    )  # fmt: skip
    assert load_overdue_fulls([due]) == {}
    Occurrence.objects.filter(kind="full").update(reason="scheduler_down")
    assert set(load_overdue_fulls([due])) == {due.pk}


def test_a_run_that_is_made_up_for_has_its_new_window(shop: Instance) -> None:
    make_schedule(shop, window=6 * HOUR, when_unfit=WhenUnfit.SKIP)
    nights(shop, 5 * HOUR)
    run = Occurrence(instance=shop, instance_id=shop.pk, kind="full", missed_after=T0 - HOUR)
    now_closed, reopened = forecast_starts([(run, False, None), (run, False, T0 + 6 * HOUR)], T0)
    assert now_closed.will_not_fit
    assert not reopened.will_not_fit


def test_a_late_start_has_less_of_the_window(shop: Instance) -> None:
    make_schedule(shop, window=6 * HOUR, when_unfit=WhenUnfit.SKIP)
    nights(shop, 5 * HOUR)
    tick(T0 + 2 * HOUR)
    assert only().detail == EXPECTED


def test_a_retry_that_will_not_fit_ends_as_failed(shop: Instance) -> None:
    make_schedule(shop, window=6 * HOUR, when_unfit=WhenUnfit.SKIP, retries=1)
    nights(shop, 5 * HOUR)
    tick(T0)
    finish(start(only().job, T0), T0 + 2 * HOUR, JobStatus.FAILED, error="disk full")
    tick(T0 + 2 * HOUR)
    tick(T0 + 3 * HOUR)
    assert (only().status, only().reason) == ("failed", "will_not_fit")


def test_what_is_unknown_or_fits_starts_without_a_word(shop: Instance) -> None:
    make_schedule(shop, window=4 * HOUR, when_unfit=WhenUnfit.SKIP)
    nights(shop, 5 * HOUR, count=2)
    tick(T0)
    assert only().job is not None
    assert not JobLogLine.objects.exists()


def test_other_kinds_consolidations_and_old_runs_do_not_count(shop: Instance) -> None:
    past_run(shop, T0 - D, HOUR, kind="incremental")
    past_run(shop, T0 - 2 * D, HOUR, operation=Operation.CONSOLIDATE)
    past_run(shop, T0 - 200 * D, HOUR)
    past_run(shop, T0 - 3 * D, 2 * HOUR)
    found = load_past_runs([shop.pk], ["full"], T0)[shop.pk]["full"]
    # The length is that of the job, not of the copy.
    assert [run.length for run in found] == [2 * HOUR]


def test_the_next_kind_is_that_of_the_next_due_time(shop: Instance) -> None:
    schedule = make_schedule(shop, kind="incremental", full_cron="0 2 * * 1")
    assert next_kind(schedule, T0 - HOUR) == "full"
    tick(T0)
    schedule.refresh_from_db()
    assert next_kind(schedule, T0) == "incremental"


def test_forecasts_cost_the_same_for_any_number(shop: Instance) -> None:
    schedule = make_schedule(shop, window=4 * HOUR)
    nights(shop, 5 * HOUR)
    others = make_instances(30)
    for each in others[:5]:
        nights(each, HOUR)
    with CaptureQueriesContext(connection) as queries:
        found = forecast_next([(schedule, each.pk) for each in (shop, *others)], T0)
    assert len(queries) == 2
    assert [each.fit for each in found] == [
        Fit.WILL_NOT_FIT, *[Fit.FITS] * 5, *[Fit.UNKNOWN] * 25,
    ]  # fmt: skip


def test_an_observed_run_cannot_be_held_back() -> None:
    schedule = BackupSchedule(
        name="theirs", cron="0 2 * * *", origin="observed", when_unfit=WhenUnfit.SKIP
    )
    with pytest.raises(ValidationError, match="cannot be held back"):
        schedule.full_clean()
