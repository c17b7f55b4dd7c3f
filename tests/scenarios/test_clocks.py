"""A clock that is set in the middle of a night: nothing is done or notified twice, or lost."""

from __future__ import annotations

import pytest

from alerts.models import Channel, Route
from alerts.states import Severity
from backups.models import Instance, Job, Repository
from tests.backups.planning import statuses
from tests.scenarios.night import Night
from tests.scenarios.scenario import (
    H,
    M,
    assert_notified,
    by_hand,
    fails,
    go_on,
    hang,
    make_fleet,
    works,
)

FAILED = "…shop-0: full backup failed in copy…"


@pytest.fixture(autouse=True)
def place(night: Night, main: Repository, hook: Channel) -> None:
    """Every night here has a repository and a webhook."""


def test_set_back_an_hour_after_a_run(night: Night) -> None:
    make_fleet()
    night.until(5 * M)
    night.jump(-H)
    night.until(5 * M)
    assert statuses() == [("succeeded", "")]
    assert (Job.objects.count(), night.notified()) == (1, [])


def test_set_back_an_hour_while_an_alert_stands(night: Night) -> None:
    make_fleet()
    night.worker = False
    night.until(7 * M)
    night.jump(-H)
    night.worker = True
    # What is over ends soon, though it was last seen an hour ahead.
    night.until(-45 * M)
    late = "shop-0, nightly: due at…02:00 UTC, not started after…"
    queue = "queue copy: 1 job has been waiting…"
    assert_notified(
        night.notified(),
        [f"Warning: {queue}", f"Warning: {late}", f"Resolved: {late}", f"Resolved: {queue}"],
    )
    night.until(5 * M)
    assert (len(night.notified()), statuses()) == (4, [("succeeded", "")])


def test_set_back_an_hour_a_failure_is_notified_once(night: Night) -> None:
    make_fleet()
    fails(night)
    night.until(5 * M)
    night.jump(-H)
    night.until(5 * M)
    assert_notified(night.notified(), [FAILED])
    works(night)
    by_hand(night)
    night.until(7 * M)
    assert_notified(night.notified()[1:], [f"Resolved: {FAILED}"])


def test_set_back_an_hour_what_succeeds_then_is_notified(night: Night) -> None:
    Route.objects.update(rules=["backup_succeeded"], min_severity=Severity.NOTICE)
    make_fleet()
    night.until(5 * M)
    night.jump(-H)
    by_hand(night, Instance.objects.get())
    night.until(-50 * M)
    assert_notified(night.notified(), ["shop-0: full backup succeeded in…"] * 2)


def test_set_forward_three_hours_before_the_due_time(night: Night) -> None:
    make_fleet()
    night.until(-2 * M)
    night.jump(3 * H)
    night.until(3 * H + 10 * M)
    assert statuses() == [("succeeded", "")]
    assert Job.objects.count() == 1
    assert_notified(
        night.notified(),
        [
            "Warning: shop-0, nightly: due at…02:00 UTC…: the scheduler was not running from…",
            "Resolved: shop-0, nightly: due at…02:00 UTC…",
        ],
    )


def test_set_forward_three_hours_while_a_job_runs(night: Night) -> None:
    """Its lease seems to be over; it is given one in which to renew it."""
    make_fleet()
    hang(night)
    night.until(5 * M)
    # The worker's next sign of life comes after the tick.
    night.jump(3 * H)
    night.round(alive=False)
    night.until(3 * H + 7 * M)
    go_on(night)
    night.until(3 * H + 10 * M)
    assert statuses() == [("succeeded", "")]
    assert list(Job.objects.values_list("status", flat=True)) == ["succeeded"]
    assert_notified(
        night.notified(),
        [
            "Warning: shop-0, backup job…: running for…; its window closed at…",
            "Resolved: shop-0, backup job…: running for…",
        ],
    )
