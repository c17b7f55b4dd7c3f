"""Ticks in one process: which is due, and which of them may hang."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError

from backups.models import TickHeartbeat
from monitor.celery import EVERY_SECONDS, OUTSIDE_EVERY_SECONDS, app
from monitor.ticks import (
    LONGEST_WAIT,
    PeriodicTick,
    Ticker,
    boot_clock,
    planned_ticks,
    seconds_to_first,
)

T0 = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
PATIENCE = 10


@pytest.mark.parametrize(
    ("finished_ago", "seconds"), [(None, 0), (0, 60), (20, 40), (60, 0), (3600, 0), (-20, 40)]
)
def test_a_tick_is_due_when_it_would_have_been_without_a_restart(
    finished_ago: int | None, seconds: float
) -> None:
    finished_at = None if finished_ago is None else T0 - timedelta(seconds=finished_ago)
    assert seconds_to_first(finished_at, 60, T0) == seconds


def test_ticks_of_one_rhythm_are_due_together() -> None:
    ticks = [PeriodicTick("a", print, 10, aside=False), PeriodicTick("b", print, 5, aside=False)]
    for tick, at in zip(ticks, (101.5, 108.2), strict=True):
        tick.plan_next(at)
    assert [tick.due_at for tick in ticks] == [110, 110]


def test_the_plan_says_which_may_hang() -> None:
    app.loader.import_default_modules()
    ticks = {tick.name: tick for tick in planned_ticks(app)}
    assert len(ticks) == len(EVERY_SECONDS) + len(OUTSIDE_EVERY_SECONDS)
    assert ticks["plan occurrences"].aside is False
    assert ticks["probe instances"].aside is True
    assert ticks["probe instances"].every == OUTSIDE_EVERY_SECONDS["backups.tasks.probe_instances"]


def never() -> None:
    raise AssertionError("the ticks ended by themselves")


def ticker_of(*ticks: PeriodicTick, on_death: Callable[[], None] = never) -> Ticker:
    return Ticker(ticks, on_death=on_death)


class Counted:
    """Work that says when it has been done so many times."""

    def __init__(self, enough: int, work: Callable[[], object] = lambda: None) -> None:
        self.runs, self._enough, self._work = 0, enough, work
        self.done = threading.Event()

    def __call__(self) -> None:
        self.runs += 1
        if self.runs >= self._enough:
            self.done.set()
        self._work()


@pytest.mark.django_db(transaction=True)
def test_ticks_run_until_they_are_stopped() -> None:
    work = Counted(3)
    ticker = ticker_of(PeriodicTick("a", work, 0.02, aside=False))
    ticker.start()
    assert work.done.wait(PATIENCE)
    ticker.stop()
    runs = work.runs
    assert not threading.Event().wait(0.1)
    assert work.runs == runs


@pytest.mark.django_db(transaction=True)
def test_one_that_hangs_aside_holds_up_no_other() -> None:
    go_on, hangs = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        assert go_on.wait(PATIENCE)

    others = Counted(3)
    ticker = ticker_of(
        PeriodicTick("hangs", hang, 0.01, aside=True),
        PeriodicTick("others", others, 0.02, aside=False),
    )
    ticker.start()
    assert hangs.wait(PATIENCE)
    assert others.done.wait(PATIENCE)
    go_on.set()
    ticker.stop()


def fail() -> None:
    raise RuntimeError("the moon is full")


def fail_by_the_database() -> None:
    raise OperationalError("could not connect")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("aside", [False, True])
@pytest.mark.parametrize(("fault", "traceback"), [(fail, True), (fail_by_the_database, False)])
def test_a_tick_that_fails_is_logged_and_the_next_one_runs(
    caplog: pytest.LogCaptureFixture, aside: bool, fault: Callable[[], None], traceback: bool
) -> None:
    work = Counted(3, fault)
    ticker = ticker_of(PeriodicTick("bad tick", work, 0.02, aside=aside))
    with caplog.at_level(logging.ERROR, "monitor.ticks"):
        ticker.start()
        assert work.done.wait(PATIENCE)
        ticker.stop()
    assert "bad tick failed" in caplog.text
    assert ("Traceback" in caplog.text) is traceback


@pytest.mark.django_db(transaction=True)
def test_what_ran_not_long_ago_waits_after_a_restart() -> None:
    TickHeartbeat.objects.create(name="hourly", finished_at=datetime.now(UTC))
    hourly, others = Counted(1), Counted(3)
    ticker = ticker_of(
        PeriodicTick("hourly", hourly, 3600, aside=False),
        PeriodicTick("others", others, 0.02, aside=False),
    )
    ticker.start()
    assert others.done.wait(PATIENCE)
    ticker.stop()
    assert hourly.runs == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_ticks_that_end_by_themselves_do_not_go_unnoticed() -> None:
    def leave() -> None:
        raise SystemExit

    died = threading.Event()
    ticker = ticker_of(PeriodicTick("leaves", leave, 0.02, aside=False), on_death=died.set)
    ticker.start()
    assert died.wait(PATIENCE)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(hours=1), timedelta(days=365)])
def test_ticks_go_on_whatever_is_done_to_the_clock(
    monkeypatch: pytest.MonkeyPatch, step: timedelta
) -> None:
    TickHeartbeat.objects.create(name="a", finished_at=datetime.now(UTC) - step)
    before = Counted(2)
    ticker = ticker_of(PeriodicTick("a", before, 0.02, aside=False))
    ticker.start()
    assert before.done.wait(PATIENCE)
    monkeypatch.setattr("django.utils.timezone.now", lambda: datetime.now(UTC) + step)
    monkeypatch.setattr("time.time", lambda: datetime.now(UTC).timestamp() + step.total_seconds())
    after = before.runs + 2
    until = boot_clock() + PATIENCE
    while before.runs < after and boot_clock() < until:
        threading.Event().wait(0.01)
    ticker.stop()
    assert before.runs >= after


def test_a_suspended_machine_looks_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    # The wait does not count while it is suspended, so it is bounded; the due time does.
    daily = PeriodicTick("daily", print, 86_400, aside=False)
    ticker = ticker_of(daily)
    daily.plan_next(boot_clock())
    assert ticker._seconds_to_next() <= LONGEST_WAIT
    at = boot_clock()
    monkeypatch.setattr("time.clock_gettime", lambda clock: at + 86_400)
    assert ticker._seconds_to_next() == 0
