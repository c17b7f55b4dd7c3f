"""Are the rows of a fleet what the facts say, kept by day, at a constant number of queries?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backups.models import (
    BackupSchedule,
    Instance,
    Job,
    JobStage,
    ObjectiveDay,
    ObjectiveStanding,
    RecoveryObjective,
    Repository,
    Tag,
)
from backups.objectives.rows import CHECK_EVERY, judge_due, judge_instances, prune_days, standing_of
from backups.objectives.save import save_objective
from backups.states import JobStatus, Operation, StageStatus
from tests.monitor.rows import (
    GIB,
    T0,
    make_backup,
    make_evidence,
    make_instance,
    make_job,
    make_repository,
)

pytestmark = pytest.mark.django_db
M, H, D = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def main() -> Repository:
    return make_repository()


@pytest.fixture
def orders(main: Repository) -> Instance:
    instance = make_instance("orders-1")
    make_backup(instance, main)
    return instance


def restored(instance: Instance, seconds: tuple[float, float, float] = (10, 4, 2)) -> Job:
    """A restore test of the instance's backup, with its stages."""
    job = make_job(instance, JobStatus.SUCCEEDED, Operation.RESTORE_TEST)
    Job.objects.filter(pk=job.pk).update(backup=instance.backups.earliest("id"))
    at = T0
    for number, name in enumerate(("extract", "prepare", "start server")):
        ended = at + timedelta(seconds=seconds[number])
        JobStage.objects.create(
            job=job, position=number, name=name, status=StageStatus.SUCCEEDED, started_at=at,
            ended_at=ended, bytes_done=3 * GIB if name == "extract" else 0,
        )  # fmt: skip
        at = ended
    return job


def standing(instance: Instance, at: timedelta = timedelta(0)) -> ObjectiveStanding:
    judge_instances([instance.pk], T0 + at)
    return ObjectiveStanding.objects.get(instance=instance)


def test_without_an_objective_there_is_nothing_to_miss(orders: Instance) -> None:
    row = standing(orders)
    assert (row.level, row.reasons, row.reached_at) == ("none", "", T0)


def test_the_point_is_that_of_the_newest_restorable_backup(
    orders: Instance, main: Repository
) -> None:
    RecoveryObjective.objects.create(rpo=H)
    assert standing(orders, H).rpo_level == "met"
    row = standing(orders, H + M)
    assert (row.rpo_level, row.level) == ("missed", "missed")
    newer = make_backup(orders, main, age=-H)
    assert standing(orders, H + M).rpo_level == "met"
    # One that its restore test refuted brings nothing back.
    make_evidence(newer, Operation.RESTORE_TEST, passed=False)
    assert standing(orders, H + M).rpo_level == "missed"


def test_a_plan_that_cannot_keep_to_it_is_a_risk(orders: Instance) -> None:
    RecoveryObjective.objects.create(rpo=2 * H)
    nightly = BackupSchedule.objects.create(name="nightly", cron="0 1 * * *", covers_all=True)
    assert standing(orders, H).rpo_level == "at_risk"
    BackupSchedule.objects.filter(pk=nightly.pk).update(time_zone="Europe/Atlantis")
    assert standing(orders, H).rpo_level == "met"


def test_the_time_is_predicted_from_its_own_restores_then_from_its_like(
    orders: Instance, main: Repository
) -> None:
    other = make_instance("orders-2")
    make_backup(other, main)
    RecoveryObjective.objects.create(rto=H)
    row = standing(orders)
    assert row.rto_level == "unknown"
    assert "unknown: never measured: extract, prepare, start" in row.reasons
    restored(other)
    row = standing(orders)
    assert "measured once, from 1 restore of its like, other instances of MariaDB" in row.reasons
    for _ in range(5):
        restored(orders)
    row = standing(orders)
    assert row.rto_level == "met" and row.recovery_basis == "from 5 restores of this instance"
    assert row.recovery_low and row.recovery and row.recovery_high
    assert row.recovery_low < timedelta(seconds=16) < row.recovery_high
    RecoveryObjective.objects.update(rto=timedelta(seconds=12))
    assert standing(orders).rto_level == "missed"


def test_the_narrowest_objective_is_that_of_the_row(orders: Instance) -> None:
    RecoveryObjective.objects.create(rpo=D, rto=D)
    gold = Tag.objects.create(name="gold")
    orders.tags.add(gold)
    RecoveryObjective.objects.create(rpo=H, tag=gold)
    row = standing(orders)
    assert (row.rpo, row.rpo_scope, row.rto, row.rto_scope) == (H, "tag gold", D, "all instances")


def test_a_disabled_instance_misses_nothing(orders: Instance) -> None:
    RecoveryObjective.objects.create(rpo=M)
    Instance.objects.update(enabled=False)
    assert standing(orders, D).level == "none"


def test_a_restore_test_that_passed_proves_it(orders: Instance) -> None:
    assert standing(orders).proven_at is None
    make_evidence(orders.backups.get().copies.get(), Operation.VERIFY, passed=True)
    assert standing(orders).proven_at is None
    make_evidence(orders.backups.get().copies.get(), Operation.RESTORE_TEST, passed=True)
    assert standing(orders).proven_at == T0


def test_a_day_that_is_over_is_kept_with_its_worst(orders: Instance, main: Repository) -> None:
    RecoveryObjective.objects.create(rpo=D)
    standing(orders, 10 * H)
    make_backup(orders, main, age=-11 * H)
    assert standing(orders, 12 * H).worst_age == 10 * H
    assert not ObjectiveDay.objects.exists()
    standing(orders, 24 * H)
    day = ObjectiveDay.objects.get()
    assert (day.day, day.worst_age) == (T0.date(), 10 * H)
    # A second tick of that moment changes nothing.
    standing(orders, 24 * H)
    assert ObjectiveDay.objects.count() == 1
    assert prune_days(T0 + 4000 * D) == 1


def test_without_an_objective_no_days_are_kept(orders: Instance) -> None:
    standing(orders)
    standing(orders, D)
    assert not ObjectiveDay.objects.exists()


def test_a_trend_of_the_kept_days_puts_it_at_risk(orders: Instance) -> None:
    RecoveryObjective.objects.create(rpo=D)
    for number in range(10):
        ObjectiveDay.objects.create(
            instance=orders, day=T0.date() - (10 - number) * D, worst_age=(10 + number) * H
        )
    row = standing(orders)
    assert (row.rpo_level, row.rpo_missed_from) == ("at_risk", T0.date() + 4 * D)
    # Not drawn again today, and kept.
    ObjectiveDay.objects.all().delete()
    assert standing(orders, M).rpo_missed_from == T0.date() + 4 * D
    assert standing(orders, D).rpo_missed_from is None


def test_only_what_is_due_is_judged_and_all_again_once_an_objective_was_set(
    orders: Instance,
) -> None:
    assert (judge_due(T0), judge_due(T0 + M), judge_due(T0 + CHECK_EVERY)) == (1, 0, 1)
    save_objective(RecoveryObjective(rpo=D), T0 + CHECK_EVERY)
    assert judge_due(T0 + CHECK_EVERY) == 1


def test_its_page_judges_it_without_writing(orders: Instance) -> None:
    RecoveryObjective.objects.create(rpo=H)
    assert standing_of(orders, T0 + 2 * H).rpo_level == "missed"
    assert not ObjectiveStanding.objects.exists()


def test_a_batch_costs_the_same_queries_whatever_its_size(main: Repository) -> None:
    RecoveryObjective.objects.create(rpo=H, rto=H)

    def add(first: int, last: int) -> None:
        for number in range(first, last):
            instance = make_instance(f"shard-{number}")
            make_backup(instance, main)
            restored(instance)

    def queries() -> int:
        ids = list(Instance.objects.values_list("pk", flat=True))
        judge_instances(ids, T0)
        with CaptureQueriesContext(connection) as captured:
            judge_instances(ids, T0)
        return len(captured)

    add(0, 3)
    few = queries()
    add(3, 30)
    assert queries() == few
