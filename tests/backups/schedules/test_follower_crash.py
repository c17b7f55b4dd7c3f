"""What follows a run is planned once: killed between any two statements, and ten at a time."""

from __future__ import annotations

import threading

import pytest
from celery import Celery
from django.db import connection

from backups.models import BackupSchedule, Instance, Job, Occurrence, Repository
from backups.schedules.tick import plan_occurrences
from tests.backups.planning import (
    HOUR,
    SECOND,
    T0,
    finish,
    make_instances,
    make_place,
    make_schedule,
    start,
    tick,
)
from tests.backups.schedules.test_crash import Killed, Killer

pytestmark = pytest.mark.django_db(transaction=True)
END = T0 + HOUR


@pytest.fixture(autouse=True)
def without_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last call before the broker."""
    monkeypatch.setattr(Celery, "send_task", lambda *_, **__: None)


def set_the_scene(members: int) -> None:
    """A schedule whose runs have ended, which no tick has noticed, and one that follows it."""
    BackupSchedule.objects.update(after=None, cron="0 2 * * *")
    for model in (Job, Occurrence, BackupSchedule, Instance, Repository):
        model._default_manager.all().delete()
    make_place()
    instances = make_instances(members)
    first = make_schedule(*instances)
    make_schedule(*instances, name="logs", cron="", after=first)
    tick(T0)
    for job in Job.objects.select_related("instance"):
        finish(start(job, T0 + SECOND), END)


def follower_rows() -> list[tuple[str, int]]:
    rows = Occurrence.objects.filter(schedule__name="logs")
    return list(rows.values_list("status", "attempts"))


def test_a_kill_after_any_statement_loses_and_doubles_nothing() -> None:
    statements = 0
    while True:
        set_the_scene(1)
        killer = Killer(statements)
        with connection.execute_wrapper(killer):
            try:
                plan_occurrences(END + SECOND)
            except Killed:
                connection.close()
        plan_occurrences(END + 10 * SECOND)
        assert follower_rows() == [("due", 1)], f"killed after {statements} statements"
        assert Job.objects.count() == 2
        assert not Occurrence.objects.filter(unfollowed=True).exists()
        if killer.left:
            break
        statements += 1
    assert statements > 25


def test_ten_ticks_on_one_end_plan_one_run_each() -> None:
    set_the_scene(5)
    barrier, errors = threading.Barrier(10), list[BaseException]()

    def schedule() -> None:
        try:
            barrier.wait()
            plan_occurrences(END + SECOND)
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
    assert follower_rows() == [("due", 1)] * 5
    assert Job.objects.count() == 10
