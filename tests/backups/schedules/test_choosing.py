"""Whom a schedule proves at its due times: each backup once, or a sample within a budget."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backups.models import (
    Backup,
    BackupAncestor,
    BackupCopy,
    BackupSchedule,
    Evidence,
    Instance,
    Job,
    Occurrence,
    Repository,
    Tag,
)
from backups.schedules.choosing import choose_proven, load_candidates
from backups.schedules.due import plan_due_schedules
from backups.states import JobStatus, OccurrenceStatus, Operation, ProofChoice, WaitReason
from tests.backups.binlog_archive.stored import backup_at
from tests.backups.planning import (
    MINUTE,
    T0,
    finish,
    make_instances,
    make_place,
    make_schedule,
    start,
    tick,
)
from tests.backups.taking import prove

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
GIB = 1024**3


@pytest.fixture
def main(db: None) -> Repository:
    return make_place()


def with_backups(count: int, main: Repository, prefix: str = "shop") -> list[Instance]:
    instances = make_instances(count, prefix)
    Instance.objects.update(created_at=T0 - DAY, data_bytes=GIB)
    for instance in instances:
        backup_at(instance, main, "", 0, at=T0 - DAY)
    BackupCopy.objects.update(stored_bytes=GIB)
    return instances


# Any: a schedule's columns.
def proving(*instances: Instance, **values: Any) -> BackupSchedule:
    plain = {"name": "proofs", "operation": Operation.RESTORE_TEST, "max_jobs": 2}
    schedule = make_schedule(*instances, **{**plain, **values})
    BackupSchedule.objects.update(created_at=T0 - DAY)
    schedule.refresh_from_db()
    return schedule


def run_all(at: Any) -> int:
    """Let a worker end every test with success; return how many ran at once at most."""
    most = 0
    for minute in range(60):
        moment = at + minute * MINUTE
        tick(moment)
        jobs = list(Job.objects.filter(status=JobStatus.PENDING))
        if not jobs:
            break
        most = max(most, len(jobs))
        for job in jobs:
            assert job.copy is not None
            finish(start(job, moment), moment)
            evidence = prove(job.copy, job.operation, passed=True)
            Evidence.objects.filter(pk=evidence.pk).update(job=job, created_at=moment)
    return most


class TestOnce:
    def test_each_backup_once_the_newest_first(self, main: Repository) -> None:
        (shop,) = with_backups(1, main)
        backup_at(shop, main, "", 0, at=T0 - 2 * DAY)
        proving(shop, proof_choice=ProofChoice.ONCE)
        for day in range(4):
            run_all(T0 + day * DAY)
        tested = [job.backup.ended_at for job in Job.objects.order_by("pk") if job.backup]
        assert tested == [T0 - DAY, T0 - 2 * DAY]
        assert Occurrence.objects.count() == 2, "without one nothing is planned"
        backup_at(shop, main, "", 0, at=T0 + 3 * DAY + MINUTE)
        run_all(T0 + 4 * DAY)
        assert Job.objects.count() == 3

    def test_a_verify_is_no_restore_test(self, main: Repository) -> None:
        (shop,) = with_backups(1, main)
        prove(BackupCopy.objects.get(), Operation.VERIFY, passed=True)
        schedule = proving(shop, proof_choice=ProofChoice.ONCE)
        assert choose_proven(schedule, [shop], T0).chosen == [shop]
        prove(BackupCopy.objects.get(), Operation.RESTORE_TEST, passed=True)
        assert choose_proven(schedule, [shop], T0).chosen == []


class TestSampled:
    def test_a_fleet_has_its_turn_in_time(self, main: Repository) -> None:
        fleet = with_backups(12, main)
        proving(*fleet, proof_choice=ProofChoice.SAMPLED, proven_within_days=6)
        most = [run_all(T0 + day * DAY) for day in range(6)]
        assert set(Job.objects.values_list("instance", flat=True)) == {one.pk for one in fleet}
        assert max(most) <= 2
        assert set(Occurrence.objects.values_list("status", flat=True)) == {"succeeded"}
        assert Occurrence.objects.count() <= 6 * 4

    def test_what_a_candidate_is(self, main: Repository) -> None:
        shop, other, empty = *with_backups(2, main), *make_instances(1, "empty")
        tag = Tag.objects.create(name="gold")
        shop.tags.add(tag)
        schedule = proving(proof_choice=ProofChoice.SAMPLED)
        schedule.important_tags.add(tag)
        full = Backup.objects.get(instance=shop)
        evidence = prove(full.copies.get(), Operation.RESTORE_TEST, passed=False)
        Evidence.objects.filter(pk=evidence.pk).update(created_at=T0 - DAY / 2)
        full.copies.get().evidence.create(operation="restore_test", passed=True)
        Evidence.objects.update(created_at=T0 - DAY / 2)
        link = backup_at(shop, main, "", 0, at=T0)
        Backup.objects.filter(pk=link.pk).update(kind="incremental", raw_bytes=GIB // 4)
        BackupAncestor.objects.create(backup=link, ancestor=full, position=1)
        BackupCopy.objects.filter(backup=link).update(stored_bytes=GIB // 8)
        found = {
            each.key: each for each in load_candidates(schedule, [shop.pk, other.pk, empty.pk], T0)
        }
        assert set(found) == {shop.pk, other.pk}, "without a backup there is nothing to prove"
        mine, plain = found[shop.pk], found[other.pk]
        assert (mine.since, mine.never_proven, mine.failed) == (T0 - DAY / 2, False, False)
        assert (mine.important, mine.changed) == (True, 0.25)
        assert mine.cost_bytes == GIB + GIB // 8
        assert (plain.since, plain.never_proven, plain.important) == (T0 - DAY, True, False)

    def test_one_beyond_the_budget_is_not_drilled_and_says_so(self, main: Repository) -> None:
        large, small = with_backups(2, main)
        BackupCopy.objects.filter(backup__instance=large).update(stored_bytes=3 * GIB)
        proving(
            large, small, proof_choice=ProofChoice.SAMPLED, proven_within_days=1,
            budget_bytes=2 * GIB,
        )  # fmt: skip
        tick(T0)
        refused = Occurrence.objects.get(instance=large)
        assert (refused.status, refused.reason) == (OccurrenceStatus.REFUSED, WaitReason.NO_RESULT)
        assert refused.detail == (
            "not drilled, because it reads 3.0 GiB, and the budget of proofs is 2.0 GiB"
        )
        assert Job.objects.get().instance == small

    def test_after_a_downtime_only_the_newest_due_time_chooses(self, main: Repository) -> None:
        (shop,) = with_backups(1, main)
        proving(shop, proof_choice=ProofChoice.SAMPLED, proven_within_days=1)
        tick(T0 + 9 * DAY)
        assert [run.due_at for run in Occurrence.objects.all()] == [T0 + 9 * DAY]

    def test_a_due_time_costs_as_many_queries_for_any_fleet(self, main: Repository) -> None:
        counts = []
        schedule = proving(proof_choice=ProofChoice.SAMPLED, proven_within_days=2)
        for count, prefix in ((5, "few"), (60, "many")):
            schedule.instances.add(*with_backups(count, main, prefix))
            covered = list(schedule.instances.all())
            with CaptureQueriesContext(connection) as queries:
                assert choose_proven(schedule, covered, T0).chosen
            counts.append(len(queries))
        assert counts[0] == counts[1] <= 9
        assert plan_due_schedules(T0) > 0
        with CaptureQueriesContext(connection) as queries:
            plan_due_schedules(T0 + MINUTE)
        assert len(queries) == 1, "what is not due costs nothing"
