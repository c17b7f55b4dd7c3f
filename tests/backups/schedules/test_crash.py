"""A scheduler that is killed between any two statements, ten that race, an unreachable broker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery
from django.conf import settings
from django.db import connection

from backups.models import BackupSchedule, Instance, Job, Occurrence, TickHeartbeat
from backups.schedules.tick import plan_occurrences
from backups.states import JobStatus
from backups.tasks import wake_waiting_jobs
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

pytestmark = pytest.mark.django_db(transaction=True)


class Killed(BaseException):
    """The process is gone: nothing in it may go on."""


class Killer:
    """Lets a number of statements through, and none after them."""

    def __init__(self, statements: int) -> None:
        self.left = statements

    def __call__(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        if not self.left:
            raise Killed
        self.left -= 1
        return execute(*arguments)


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The jobs that workers were woken for: the last call before the broker."""
    woken: list[int] = []
    monkeypatch.setattr(Celery, "send_task", lambda _, name, args, **__: woken.append(args[0]))
    return woken


def set_the_scene() -> None:
    """One occurrence of each sort is due at T0 + 1 h: new, to retry, to end, to miss."""
    for model in (TickHeartbeat, Job, Occurrence, BackupSchedule, Instance):
        model.objects.all().delete()
    failing, ending, missing, new = make_instances(4)
    late: dict[str, Any] = {"every_hours": 24, "anchor_at": T0, "window": HOUR}
    make_schedule(failing, name="failing", **late | {"window": 2 * HOUR}, retries=1)
    make_schedule(ending, name="ending", **late)
    make_schedule(missing, name="missing", **late, catch_up="skip")
    tick(T0)
    for instance, status in ((failing, JobStatus.FAILED), (ending, JobStatus.SUCCEEDED)):
        job = start(Job.objects.get(instance=instance), T0)
        finish(job, T0 + 5 * SECOND, status, error="x" * (status == JobStatus.FAILED))
    Occurrence.objects.exclude(instance=missing).update(next_check_at=T0 + 50 * MINUTE)
    make_schedule(new, name="new", every_hours=24, anchor_at=T0 + HOUR)
    TickHeartbeat.objects.update(finished_at=T0 + HOUR - SECOND)


def outcome() -> list[tuple[str, str, str, int, int]]:
    """The outcome of everything, and how many jobs and members of theirs there are."""
    rows = Occurrence.objects.order_by("schedule__name")
    return [
        (row.schedule.name, row.status, row.reason, row.jobs.count(), row.attempts)
        for row in rows.select_related("schedule")
    ]


def whole(job: Job) -> bool:
    """Whether a job came with all that belongs to it, once."""
    return job.repositories.count() == job.events.filter(reason="requested").count() == 1


EXPECTED = [
    ("ending", "succeeded", "", 1, 1),
    ("failing", "due", "", 2, 2),
    ("missing", "missed", "no_worker", 1, 1),
    ("new", "due", "", 1, 1),
]


def test_killed_between_any_two_statements_the_next_tick_completes(woken: list[int]) -> None:
    make_place()
    statements = 0
    while True:
        set_the_scene()
        killer = Killer(statements)
        try:
            with connection.execute_wrapper(killer):
                plan_occurrences(T0 + HOUR)
        except Killed:
            connection.close()
        plan_occurrences(T0 + HOUR + 10 * SECOND)
        assert outcome() == EXPECTED, f"killed after {statements} statements"
        assert all(map(whole, Job.objects.all()))
        if killer.left:
            break
        statements += 1
    # It has to have been killed at all, and in more than the first few statements.
    assert statements > 25


@pytest.mark.parametrize("members", [1, 30])
def test_ten_schedulers_on_one_slot_make_one_job_each(woken: list[int], members: int) -> None:
    make_place()
    make_schedule(*make_instances(members))
    barrier, errors = threading.Barrier(10), list[BaseException]()

    def schedule() -> None:
        try:
            barrier.wait()
            plan_occurrences(T0)
        except BaseException as exc:
            errors.append(exc)
        finally:
            connection.close()

    threads = [threading.Thread(target=schedule) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert Occurrence.objects.count() == Job.objects.count() == members
    assert set(Occurrence.objects.values_list("attempts", flat=True)) == {1}
    assert sorted(woken) == sorted(Job.objects.values_list("pk", flat=True))


def test_a_worker_is_woken_only_after_the_commit(woken: list[int]) -> None:
    make_place()
    make_schedule(*make_instances(3))
    plan_occurrences(T0)
    assert sorted(woken) == sorted(Job.objects.values_list("pk", flat=True))
    plan_occurrences(T0 + 10 * SECOND)
    assert len(woken) == 3


def test_an_unreachable_broker_at_the_due_moment_loses_nothing() -> None:
    # Nobody listens on the socket the tests' settings name.
    assert settings.CELERY_BROKER_URL.startswith("redis+socket:///")
    make_place()
    make_schedule(*make_instances(20))
    plan_occurrences(T0)
    assert Job.objects.filter(status=JobStatus.PENDING, woken_at=T0).count() == 20
    Job.objects.exclude(pk=Job.objects.earliest("id").pk).update(status=JobStatus.CANCELLED)
    # It looks at its own clock, and T0 is long ago.
    wake_waiting_jobs()
    job = Job.objects.get(status=JobStatus.PENDING)
    assert job.woken_at is not None and job.woken_at > T0 + timedelta(days=1)
    assert TickHeartbeat.objects.get(name="wake waiting jobs").error == ""
