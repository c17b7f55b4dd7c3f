from __future__ import annotations

from datetime import timedelta

from django.test import TestCase

from backups.health.protection_facts import longest_gap, longest_wait_for_full
from backups.health.protection_rows import CHECK_EVERY, judge_due, judge_instances
from backups.models import (
    Backup,
    BackupCopy,
    BackupSchedule,
    Instance,
    InstanceGroup,
    InstanceProtection,
    Job,
    ObservedHistory,
    Occurrence,
    Repository,
    Tag,
)
from backups.states import CopyStatus, JobStatus, OccurrenceStatus
from backups.transitions.jobs import JobOutcome, end
from tests.monitor.rows import T0, make_backup, make_instance, make_job, make_repository


class JudgingTestCase(TestCase):
    main: Repository
    orders: Instance
    nightly: BackupSchedule

    @classmethod
    def setUpTestData(cls) -> None:
        cls.main = make_repository()
        cls.orders = make_instance("orders-1")
        cls.nightly = BackupSchedule.objects.create(
            name="nightly", cron="0 1 * * *", covers_all=True, next_due_at=T0 + timedelta(days=1)
        )

    def judged(self) -> InstanceProtection:
        judge_instances([self.orders.pk], T0)
        return InstanceProtection.objects.get(instance=self.orders)

    def occurrence(self, status: OccurrenceStatus, hours_ago: int, reason: str = "") -> None:
        at = T0 - timedelta(hours=hours_ago)
        times = {"due_at": at, "starts_at": at, "late_after": at, "missed_after": at}
        Occurrence.objects.create(
            schedule=self.nightly, instance=self.orders, status=status, reason=reason, **times
        )

    def test_a_covered_instance_with_a_young_full_is_protected(self) -> None:
        backup = make_backup(self.orders, self.main).backup
        row = self.judged()
        self.assertEqual((row.level, row.newest_backup), ("protected", backup))
        self.assertEqual((row.run_time, row.next_run_at), (backup.run_time, T0 + timedelta(days=1)))

    def test_a_zone_that_is_unknown_by_now_stops_no_judging(self) -> None:
        BackupSchedule.objects.filter(pk=self.nightly.pk).update(time_zone="Europe/Atlantis")
        make_backup(self.orders, self.main)
        self.assertEqual(self.judged().level, "protected")

    def test_a_purged_backup_protects_nobody(self) -> None:
        make_backup(self.orders, self.main, status=CopyStatus.PURGED)
        self.assertEqual(self.judged().reasons, "no full backup to restore from")

    def test_a_copy_that_cannot_be_read_protects_nobody(self) -> None:
        make_backup(self.orders, self.main)
        for values in ({"fault": "missing"}, {"fault": "changed"}, {"key_fault": "no key"}):
            with self.subTest(values):
                BackupCopy.objects.update(**{"fault": "", "key_fault": "", **values})
                self.assertEqual(self.judged().level, "unprotected")

    def test_a_repository_that_cannot_be_used_protects_nobody(self) -> None:
        make_backup(self.orders, self.main)
        Repository.objects.update(fault="not mounted")
        self.assertEqual(self.judged().level, "unprotected")

    def test_a_partial_backup_protects_nobody(self) -> None:
        partial = make_backup(self.orders, self.main).backup
        Backup.objects.filter(pk=partial.pk).update(kind="partial")
        row = self.judged()
        self.assertEqual((row.level, row.newest_backup), ("unprotected", None))

    def test_a_schedule_of_partial_backups_covers_nobody(self) -> None:
        make_backup(self.orders, self.main)
        BackupSchedule.objects.update(kind="partial")
        row = self.judged()
        self.assertEqual((row.level, row.reasons), ("unprotected", "no schedule covers it"))

    def test_a_partial_backup_does_not_hide_the_failure_before_it(self) -> None:
        make_backup(self.orders, self.main)
        make_job(self.orders, JobStatus.FAILED)
        partial = make_job(self.orders, JobStatus.SUCCEEDED)
        Job.objects.filter(pk=partial.pk).update(kind="partial")
        self.assertIn("last backup failed", self.judged().reasons)

    def test_a_cancelled_job_does_not_hide_the_failure_before_it(self) -> None:
        make_backup(self.orders, self.main)
        make_job(self.orders, JobStatus.FAILED)
        make_job(self.orders, JobStatus.CANCELLED)
        self.assertIn("last backup failed", self.judged().reasons)

    def test_a_refusal_that_a_person_read_does_not_hide_the_failure_before_it(self) -> None:
        make_backup(self.orders, self.main)
        make_job(self.orders, JobStatus.REFUSED)
        self.assertEqual(self.judged().level, "protected")
        make_job(self.orders, JobStatus.FAILED)
        make_job(self.orders, JobStatus.REFUSED)
        self.assertIn("last backup failed", self.judged().reasons)

    def test_a_scheduled_backup_that_is_refused_protects_nobody(self) -> None:
        make_backup(self.orders, self.main)
        self.occurrence(OccurrenceStatus.REFUSED, hours_ago=6)
        job = make_job(self.orders, JobStatus.REFUSED)
        Job.objects.filter(pk=job.pk).update(occurrence=Occurrence.objects.get())
        self.assertEqual(self.judged().level, "at_risk")
        self.assertEqual(self.judged().reasons, "last backup was refused\nnightly was refused")

    def test_groups_and_tags_cover_as_well(self) -> None:
        make_backup(self.orders, self.main)
        self.nightly.covers_all = False
        self.nightly.save()
        self.assertEqual(self.judged().reasons, "no schedule covers it")
        group, tag = InstanceGroup.objects.create(name="shop"), Tag.objects.create(name="eu")
        group.instances.add(self.orders)
        tag.instances.add(self.orders)
        self.nightly.groups.add(group)
        self.assertEqual(self.judged().level, "protected")
        self.nightly.groups.clear()
        self.nightly.tags.add(tag)
        self.assertEqual(self.judged().level, "protected")

    def test_a_missed_run_counts_until_a_later_one_succeeds(self) -> None:
        make_backup(self.orders, self.main)
        self.occurrence(OccurrenceStatus.MISSED, hours_ago=30)
        self.assertEqual(self.judged().reasons, "nightly was missed")
        self.occurrence(OccurrenceStatus.SUCCEEDED, hours_ago=6)
        self.assertEqual(self.judged().level, "protected")

    def test_a_run_that_waits_for_an_unreachable_instance_is_unknown(self) -> None:
        make_backup(self.orders, self.main)
        self.occurrence(OccurrenceStatus.DUE, hours_ago=0, reason="instance_unreachable")
        self.assertEqual(self.judged().level, "unknown")

    def test_a_history_that_cannot_be_read_is_unknown(self) -> None:
        ObservedHistory.objects.create(
            instance=self.orders, verdict="refused", detail="SELECT is denied", next_read_at=T0
        )
        self.assertEqual(self.judged().level, "unprotected")
        Instance.objects.update(history_tool="xtrabackup")
        self.assertEqual(self.judged().reasons, "backup history cannot be read: SELECT is denied")

    def test_only_those_whose_turn_it_is_are_looked_at(self) -> None:
        self.assertEqual(judge_due(T0), 1)
        self.assertEqual(judge_due(T0 + CHECK_EVERY - timedelta(seconds=1)), 0)
        self.assertEqual(judge_due(T0 + CHECK_EVERY), 1)

    def test_a_job_that_ends_makes_it_their_turn(self) -> None:
        job = make_job(self.orders, JobStatus.RUNNING)
        judge_due(T0)
        end(
            job, JobStatus.FAILED, now=T0, outcome=JobOutcome(error="no space", failed_stage="copy")
        )
        self.assertEqual(judge_due(T0), 1)
        self.assertNotEqual(job.failure_key, "")

    def test_the_queries_are_as_many_for_one_as_for_many(self) -> None:
        for count in (1, 40):
            with self.subTest(count):
                for n in range(count):
                    make_backup(make_instance(f"i-{count}-{n}"), self.main)
                InstanceProtection.objects.all().delete()
                ids = list(Instance.objects.values_list("pk", flat=True))
                with self.assertNumQueries(14):
                    judge_instances(ids, T0)

    def test_the_newest_of_each_sort(self) -> None:
        ends = {}
        for kind, days in (("full", 3), ("incremental", 2), ("differential", 1)):
            backup = make_backup(self.orders, self.main, age=timedelta(days=days)).backup
            Backup.objects.filter(pk=backup.pk).update(kind=kind)
            ends[kind] = backup.ended_at
        row = self.judged()
        self.assertEqual((row.full_at, row.link_at), (ends["full"], ends["differential"]))

    def test_how_long_a_full_may_be_awaited(self) -> None:
        week, day = timedelta(days=7), timedelta(days=1)
        for columns, wait in [
            ({"kind": "full"}, day),
            ({"kind": "incremental", "full_cron": "0 1 * * 0"}, week),
            ({"kind": "differential", "full_cron": "0 3 1 * *"}, timedelta(days=31)),
            ({"kind": "auto"}, week + day),
            ({"kind": "incremental"}, week + day),
            ({"kind": "differential"}, day),
        ]:
            with self.subTest(columns):
                schedule = BackupSchedule(
                    cron="0 1 * * *", time_zone="UTC", window=timedelta(0), **columns
                )
                self.assertEqual(longest_wait_for_full(schedule, T0), wait)

    def test_a_weekend_is_in_the_longest_gap(self) -> None:
        for cron, days in [("0 1 * * *", 1), ("0 1 * * 1-5", 3), ("0 1 * * 0", 7)]:
            with self.subTest(cron):
                gap = longest_gap(BackupSchedule(cron=cron, time_zone="UTC"), T0)
                self.assertEqual(gap, timedelta(days=days))
