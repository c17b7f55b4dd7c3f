from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.http import QueryDict
from django.test import TestCase
from django.urls import reverse

from backups.health.protection_rows import judge_due
from backups.models import (
    Backup,
    BackupCopy,
    BackupSchedule,
    Instance,
    InstanceGroup,
    InstanceProtection,
    Job,
    Occurrence,
    Repository,
)
from backups.states import CopyStatus, JobStatus, OccurrenceStatus, Operation
from monitor.selectors.fleet import FleetRow, FleetView, load_fleet
from monitor.selectors.overview import load_overview
from tests.monitor.rows import (
    T0,
    make_backup,
    make_evidence,
    make_fleet,
    make_instance,
    make_job,
    make_repository,
    make_user,
)


def fleet(query: str = "") -> FleetView:
    return load_fleet(QueryDict(query), T0)


def the_row() -> FleetRow:
    judge_due(T0)
    (row,) = fleet().rows
    InstanceProtection.objects.all().delete()
    return row


class FleetRowTestCase(TestCase):
    main: Repository
    orders: Instance

    @classmethod
    def setUpTestData(cls) -> None:
        cls.main = make_repository()
        cls.orders = make_instance("orders-1")
        BackupSchedule.objects.create(name="nightly", cron="0 1 * * *", covers_all=True)

    def test_before_anybody_looked_nothing_is_known(self) -> None:
        (row,) = fleet().rows
        self.assertEqual((row.state, row.reasons), ("unknown", ["not evaluated yet"]))

    def test_the_newest_backup_with_bytes_is_shown(self) -> None:
        newest = make_backup(self.orders, self.main, age=timedelta(hours=1))
        make_backup(self.orders, self.main, age=timedelta(hours=2))
        make_backup(self.orders, self.main, status=CopyStatus.EXPIRED)
        self.assertEqual(the_row().backup, newest.backup)

    def test_a_failed_backup_is_not_hidden_by_the_job_after_it(self) -> None:
        make_backup(self.orders, self.main)
        failed = make_job(self.orders, JobStatus.FAILED)
        make_job(self.orders, JobStatus.SUCCEEDED, Operation.VERIFY)
        row = the_row()
        self.assertEqual((row.last_job, row.reasons), (failed, ["last backup failed"]))

    def test_one_damaged_copy_is_told_whatever_the_other_says(self) -> None:
        damaged = make_backup(self.orders, self.main)
        other = make_repository("offsite")
        good = damaged.backup.copies.create(
            repository=other, path="x", stored_bytes=1, pack_count=1, key_id="k1"
        )
        make_evidence(damaged, Operation.VERIFY, passed=False)
        make_evidence(good, Operation.VERIFY, passed=True)
        self.assertEqual(the_row().reasons, ["verify failed"])

    def test_a_running_job_shows_how_far_it_is(self) -> None:
        make_job(self.orders, JobStatus.RUNNING)
        progress = the_row().progress
        assert progress is not None
        self.assertEqual((progress.percent, progress.time_left), (25, timedelta(seconds=3)))


class FleetListTestCase(TestCase):
    """Four instances, one of each level that a young fleet has."""

    @classmethod
    def setUpTestData(cls) -> None:
        main = make_repository()
        BackupSchedule.objects.create(name="nightly", cron="0 1 * * *", covers_all=True)
        for name in ("a-good", "b-disabled", "c-failed", "z-never"):
            instance = make_instance(name)
            if name != "z-never":
                make_backup(instance, main, age=timedelta(hours=len(name)))
        Instance.objects.filter(name="b-disabled").update(enabled=False)
        make_job(Instance.objects.get(name="c-failed"), JobStatus.FAILED)
        judge_due(T0)

    def names(self, query: str = "") -> list[str]:
        return [row.instance.name for row in fleet(query).rows]

    def test_what_needs_attention_comes_first_and_disabled_ones_last(self) -> None:
        self.assertEqual(self.names(), ["z-never", "c-failed", "a-good", "b-disabled"])

    def test_the_address_filters_and_sorts(self) -> None:
        for query, expected in [
            ("state=unprotected", ["z-never"]),
            ("state=at_risk", ["c-failed"]),
            ("state=protected", ["a-good"]),
            ("state=unknown", []),
            ("state=disabled", ["b-disabled"]),
            ("state=nothing", []),
            ("q=FAIL", ["c-failed"]),
            ("q=FAIL&state=protected", []),
            ("sort=name", ["a-good", "b-disabled", "c-failed", "z-never"]),
            ("sort=-name&q=d", ["c-failed", "b-disabled", "a-good"]),
            # Without a backup an instance is the oldest of all.
            ("sort=age", ["z-never", "b-disabled", "c-failed", "a-good"]),
            ("sort=-age", ["a-good", "c-failed", "b-disabled", "z-never"]),
        ]:
            with self.subTest(query):
                self.assertEqual(self.names(query), expected)

    def test_the_sentence_counts_all_but_the_disabled(self) -> None:
        self.assertEqual(fleet().sentence, "1 of 3 instances are protected: 33 %.")

    def test_a_tick_that_is_silent_is_told(self) -> None:
        for later, told in [(timedelta(minutes=4), False), (timedelta(minutes=5), True)]:
            with self.subTest(later):
                found = load_fleet(QueryDict(), T0 + later).stale_since
                self.assertEqual(found, T0 if told else None)

    def test_the_last_day_is_told_by_outcome(self) -> None:
        outcomes = {each.status: each.count for each in load_overview(T0).outcomes}
        self.assertEqual(outcomes, {"succeeded": 0, "failed": 1, "missed": 0})

    def test_a_refusal_is_counted_under_its_own_word(self) -> None:
        good = Instance.objects.get(name="a-good")
        make_job(good, JobStatus.REFUSED, Operation.RESTORE)
        overview = load_overview(T0)
        outcomes = {each.status: each.count for each in overview.outcomes}
        self.assertEqual(outcomes, {"succeeded": 0, "failed": 1, "refused": 1, "missed": 0})
        # A person requested it, and was shown why.
        self.assertEqual([job.instance.name for job in overview.failures], ["c-failed"])

    def test_a_scheduled_backup_that_was_refused_is_among_the_failures(self) -> None:
        good = Instance.objects.get(name="a-good")
        nightly = BackupSchedule.objects.get()
        times = dict.fromkeys(("due_at", "starts_at", "late_after", "missed_after"), T0)
        planned = Occurrence.objects.create(
            schedule=nightly, instance=good, status=OccurrenceStatus.REFUSED, **times
        )
        job = make_job(good, JobStatus.REFUSED)
        Job.objects.filter(pk=job.pk).update(occurrence=planned)
        failures = {failed.instance.name for failed in load_overview(T0).failures}
        self.assertEqual(failures, {"a-good", "c-failed"})

    def test_a_group_is_the_same_within_it(self) -> None:
        group = InstanceGroup.objects.create(name="shop")
        group.instances.set(Instance.objects.filter(name__in=("a-good", "b-disabled")))
        view = load_fleet(QueryDict(), T0, group)
        self.assertEqual([row.instance.name for row in view.rows], ["a-good", "b-disabled"])
        self.assertEqual(view.sentence, "The instance is protected.")
        self.assertEqual(load_overview(T0, group).failures, [])
        longest = load_overview(T0, group).longest_runs
        self.assertEqual({row.instance.name for row in longest}, {"a-good", "b-disabled"})


class FleetPageTestCase(TestCase):
    victor: User

    @classmethod
    def setUpTestData(cls) -> None:
        cls.victor = make_user("victor", "viewer")

    def setUp(self) -> None:
        self.client.force_login(self.victor)

    def test_an_empty_fleet_says_what_to_do_next(self) -> None:
        response = self.client.get(reverse("fleet"))
        self.assertContains(response, "./mooring manage addinstance")
        self.assertContains(response, "./mooring manage addrepository")

    def test_the_error_of_a_failed_backup_is_on_the_page(self) -> None:
        make_job(make_instance("orders-1"), JobStatus.FAILED, error="<b>no</b> RELOAD privilege")
        judge_due(T0)
        response = self.client.get(reverse("fleet"))
        self.assertContains(response, "&lt;b&gt;no&lt;/b&gt; RELOAD privilege")

    def test_coverage_within_a_window(self) -> None:
        main, day = make_repository(), timedelta(days=1)
        for name, full, link in (("a", 2, 1), ("b", 20, 3), ("c", 20, None), ("d", None, None)):
            instance = make_instance(name)
            for age, kind in ((full, "full"), (link, "differential")):
                if age is not None:
                    backup = make_backup(instance, main, age=age * day).backup
                    Backup.objects.filter(pk=backup.pk).update(kind=kind)
        make_instance("off")
        Instance.objects.filter(name="off").update(enabled=False)
        judge_due(T0)
        for within, counts in (("", (1, 2, 2)), ("1", (0, 1, 3)), ("30", (3, 2, 1))):
            coverage = fleet(f"within={within}").coverage
            found = (*(row.count for row in coverage.rows), coverage.none)
            self.assertEqual((coverage.total, found), (4, counts))
        for query, names in (
            ("coverage=full", "a"),
            ("coverage=no-full", "bcd"),
            ("coverage=incremental", "ab"),
            ("coverage=no-incremental&within=30", "cd"),
            ("coverage=none", "cd"),
            ("coverage=none&within=30", "d"),
            ("coverage=nonsense&within=nonsense&sort=name", ["a", "b", "c", "d", "off"]),
        ):
            with self.subTest(query):
                rows = [row.instance.name for row in fleet(query).rows]
                self.assertEqual(sorted(rows), list(names))
        self.assertEqual([row.instance.name for row in fleet("sort=-full").rows][:3], list("abc"))
        without = fleet().coverage.rows[0].without_address
        page = self.client.get(f"{reverse('fleet')}{without}")
        self.assertContains(page, "Only instances without a full backup of the last 7 days.")

    def test_an_unknown_group_is_not_found(self) -> None:
        self.assertEqual(self.client.get("/groups/nothing/").status_code, 404)

    def test_the_page_costs_the_same_at_any_fleet_size(self) -> None:
        main = make_repository()
        group = InstanceGroup.objects.create(name="shop")
        make_fleet(20, main)
        for size in (20, 2_000):
            if size > 20:
                add_instances(size - 20, main)
            group.instances.set(Instance.objects.all())
            while judge_due(T0):
                pass
            for name, words, expected in [
                ("fleet", [], 32),
                ("fleet-live", [], 29),
                ("group-detail", ["shop"], 29),
                ("group-live", ["shop"], 26),
            ]:
                with self.subTest(f"{name} of {size}"), self.assertNumQueries(expected):
                    self.assertEqual(self.client.get(reverse(name, args=words)).status_code, 200)


def add_instances(count: int, repository: Repository) -> None:
    """Add many at once, each with a backup and the job that made it."""
    rows = Instance.objects.bulk_create([Instance(name=f"bulk-{n}") for n in range(count)])
    Job.objects.bulk_create(
        Job(operation="backup", instance=row, status="succeeded", started_at=T0, ended_at=T0)
        for row in rows
    )
    backups = Backup.objects.bulk_create(
        Backup(label=row.name, instance=row, kind="full", engine="x", started_at=T0, ended_at=T0)
        for row in rows
    )
    BackupCopy.objects.bulk_create(
        BackupCopy(backup=each, repository=repository, path="x", stored_bytes=1, pack_count=1)
        for each in backups
    )
