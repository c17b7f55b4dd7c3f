"""Ticks and workers that say that they are there, and those that fell silent."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
import time_machine
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from backups.health.heartbeats import (
    TickHeartbeats,
    alone,
    end_tick,
    queue_is_served,
    record_worker_heartbeat,
    records_heartbeat,
    silent_since,
)
from backups.health.workers import WorkerHeartbeatThread
from backups.models import TickHeartbeat, WorkerHeartbeat
from monitor.celery import OUTSIDE_EVERY_SECONDS, app

T0 = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


@records_heartbeat
def good_tick() -> None:
    """Has nothing to do."""


@records_heartbeat
def bad_tick() -> None:
    raise RuntimeError("the moon is full")


@pytest.mark.django_db
def test_a_tick_says_when_it_began_and_ended() -> None:
    with time_machine.travel(T0, tick=False):
        good_tick()
    beat = TickHeartbeat.objects.get()
    assert (beat.name, beat.started_at, beat.finished_at) == ("good tick", T0, T0)
    assert beat.error == ""


@pytest.mark.django_db
def test_a_tick_that_raises_is_recorded_and_raises_on() -> None:
    TickHeartbeat.objects.create(name="bad tick", finished_at=T0)
    with time_machine.travel(T0 + timedelta(minutes=1), tick=False), pytest.raises(RuntimeError):
        bad_tick()
    beat = TickHeartbeat.objects.get()
    assert (beat.error, beat.finished_at) == ("RuntimeError: the moon is full", T0)
    assert beat.started_at == T0 + timedelta(minutes=1)


def test_a_tick_that_hangs_is_left_out_and_comes_again_after_it() -> None:
    began, go_on, runs = threading.Event(), threading.Event(), list[int]()

    @alone
    def slow_tick() -> None:
        runs.append(1)
        began.set()
        assert go_on.wait(10)

    hanging = threading.Thread(target=slow_tick)
    hanging.start()
    assert began.wait(10)
    slow_tick()
    assert len(runs) == 1
    go_on.set()
    hanging.join(10)
    slow_tick()
    assert len(runs) == 2


def test_every_tick_that_goes_outside_runs_alone() -> None:
    for name in OUTSIDE_EVERY_SECONDS:
        module, _, function = name.rpartition(".")
        tick = getattr(import_module(module), function).run
        assert "alone" in tick.__code__.co_qualname, name


@pytest.mark.django_db
def test_beats_that_are_kept_are_written_together() -> None:
    notes = TickHeartbeats()
    notes.keep()
    for name in ("one", "two"):
        notes.add(name, {"started_at": T0})
        notes.add(name, {"finished_at": T0, "error": ""})
    assert not TickHeartbeat.objects.exists()
    assert notes.finished_at("one") == T0
    notes.write()
    assert list(TickHeartbeat.objects.values_list("name", "started_at", "finished_at")) == [
        ("one", T0, T0),
        ("two", T0, T0),
    ]
    assert notes.finished_at("one") is None
    with CaptureQueriesContext(connection) as queries:
        notes.write()
    assert len(queries) == 0


@pytest.mark.django_db
def test_beats_the_database_did_not_take_are_kept_with_those_since() -> None:
    notes = TickHeartbeats()
    notes.keep()
    notes.add("one", {"started_at": T0, "error": "x"})
    with connection.execute_wrapper(refuse), pytest.raises(OperationalError):
        notes.write()
    notes.add("one", {"finished_at": T0, "error": ""})
    notes.write()
    assert TickHeartbeat.objects.values_list(
        "name", "started_at", "finished_at", "error"
    ).get() == (
        "one",
        T0,
        T0,
        "",
    )


# Any: what Django passes to a wrapper.
def refuse(*_: Any) -> None:
    raise OperationalError("disk I/O error")


@pytest.mark.django_db
def test_silence_ends_with_a_beat_that_is_not_written_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    TickHeartbeat.objects.create(name="good tick", finished_at=T0)
    notes = TickHeartbeats()
    notes.keep()
    monkeypatch.setattr("backups.health.heartbeats.TICKS", notes)
    at = T0 + timedelta(hours=1)
    assert silent_since("good tick", at) == T0
    end_tick("good tick", at)
    assert silent_since("good tick", at + timedelta(seconds=10)) is None


@pytest.mark.django_db
@pytest.mark.parametrize(("seconds", "silent"), [(-3600, False), (60, False), (61, True)])
def test_silence_begins_when_it_last_ran_through(seconds: int, silent: bool) -> None:
    assert silent_since("good tick", T0) is None
    TickHeartbeat.objects.create(name="good tick", finished_at=T0)
    found = silent_since("good tick", T0 + timedelta(seconds=seconds))
    assert found == (T0 if silent else None)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("queues", "seconds", "served"),
    [
        (["copy"], 90, True),
        (["copy"], 91, False),
        (["transfer", "copy"], 0, True),
        (["copy-of-mine"], 0, False),
        (["control"], 0, False),
    ],
)
def test_a_queue_is_served_by_the_living(queues: list[str], seconds: int, served: bool) -> None:
    record_worker_heartbeat("worker@here:1", queues, T0, T0)
    assert queue_is_served("copy", T0 + timedelta(seconds=seconds)) is served


@pytest.mark.django_db
def test_workers_that_were_killed_are_forgotten_in_the_end() -> None:
    record_worker_heartbeat("dead@here:1", ["copy"], T0, T0)
    record_worker_heartbeat("new@here:2", ["copy"], T0, T0 + timedelta(hours=24))
    assert WorkerHeartbeat.objects.count() == 2
    record_worker_heartbeat("newer@here:3", ["copy"], T0, T0 + timedelta(hours=24, seconds=1))
    assert set(WorkerHeartbeat.objects.values_list("name", flat=True)) == {
        "new@here:2",
        "newer@here:3",
    }


@pytest.mark.django_db(transaction=True)
def test_a_worker_beats_until_it_stops() -> None:
    beaten = threading.Event()
    pulse = WorkerHeartbeatThread("worker@here:1", {"transfer", "copy"}, 0.02)
    try:
        first = None
        while not beaten.wait(0.01):
            row = WorkerHeartbeat.objects.filter(name="worker@here:1").first()
            if row is not None:
                first = first or row.seen_at
                if row.seen_at > first:
                    assert row.queues == ",copy,transfer,"
                    beaten.set()
            connection.close()
    finally:
        pulse.stop()
    assert not WorkerHeartbeat.objects.exists()


def test_ticks_beat_under_their_names_on_the_plan() -> None:
    app.loader.import_default_modules()
    beating_names = set()
    for name, entry in app.conf.beat_schedule.items():
        run = app.tasks[entry["task"]].run
        if hasattr(run, "__wrapped__"):
            assert run.__name__.replace("_", " ") == name
            beating_names.add(name)
    assert {"plan occurrences", "expire backups", "fail lost jobs"} <= beating_names
