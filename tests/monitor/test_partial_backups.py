"""Partial backups on pages: requested, planned, and never shown as what protects an instance."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.test import TestCase
from django.urls import reverse

from backups.engines import ENGINES
from backups.jobs.backup_options import scheduled_parameters
from backups.models import Backup, BackupAncestor, BackupSchedule, Instance, Job, Repository
from backups.schedules.coverage import uncovered_instances
from backups.states import JobStatus
from tests.monitor.forms.test_schedule import typed
from tests.monitor.planning import DAY, make_occurrence, make_schedule
from tests.monitor.rows import T0, make_backup, make_instance, make_job, make_repository, make_user

CHOICE = {"include": ["shop.*"], "exclude": ["shop.log_*"]}


class PartialBackupTestCase(TestCase):
    ada: User
    orders: Instance
    main: Repository

    @classmethod
    def setUpTestData(cls) -> None:
        cls.ada = make_user("ada", "admin")
        cls.orders = make_instance("orders-1")
        cls.main = make_repository()

    def setUp(self) -> None:
        self.client.force_login(self.ada)

    def test_it_is_requested_on_the_page_of_its_instance(self) -> None:
        given = {"repository": "main", "kind": "partial", "include": " shop.* \n\n", "exclude": ""}
        self.client.post(reverse("instance-backup", args=["orders-1"]), given)
        job = Job.objects.get()
        self.assertEqual(
            (job.kind, job.parameters), ("partial", {"include": ["shop.*"], "exclude": []})
        )

    def test_it_may_store_what_changed_since_the_newest_of_the_same_tables(self) -> None:
        given = {"repository": "main", "kind": "partial", "include": "shop.*", "incremental": "1"}
        self.client.post(reverse("instance-backup", args=["orders-1"]), given)
        self.assertTrue(Job.objects.get().parameters["incremental"])
        first = make_backup(self.orders, self.main, age=DAY).backup
        then = make_backup(self.orders, self.main).backup
        Backup.objects.update(kind="partial", choice=CHOICE)
        Backup.objects.filter(pk=then.pk).update(base=first)
        BackupAncestor.objects.create(backup=then, ancestor=first, position=0)
        page = self.client.get(reverse("backup-detail", args=[then.label]))
        self.assertContains(page, "Partial increment backup of")
        self.assertContains(page, "<b>Partial of ")

    def test_without_tables_or_with_a_bad_pattern_nothing_is_requested(self) -> None:
        for include, words in (("", "none are named"), ("a.b.c", "is not a schema, a dot")):
            given = {"repository": "main", "kind": "partial", "include": include}
            address = reverse("instance-backup", args=["orders-1"])
            self.assertContains(self.client.post(address, given, follow=True), words)
        self.assertFalse(Job.objects.exists())

    def test_it_is_offered_with_both_engines(self) -> None:
        address = reverse("instance-detail", args=["orders-1"])
        for engine in ENGINES:
            Instance.objects.update(engine=engine)
            with self.subTest(engine):
                self.assertContains(self.client.get(address), "Back up chosen tables")

    def test_its_page_says_what_it_holds_and_that_it_protects_nothing(self) -> None:
        backup = make_backup(self.orders, self.main).backup
        Backup.objects.update(kind="partial", choice=CHOICE)
        page = self.client.get(reverse("backup-detail", args=[backup.label]))
        self.assertContains(
            page, "It holds shop.* without shop.log_* only, and does not protect the instance."
        )
        page = self.client.get(reverse("instance-detail", args=["orders-1"]))
        self.assertContains(page, "No full backup to restore from".lower())

    def test_an_instance_is_not_recoverable_to_it(self) -> None:
        address = reverse("instance-detail", args=["orders-1"])
        whole = make_backup(self.orders, self.main, age=DAY).backup
        partial = make_backup(self.orders, self.main).backup
        Backup.objects.filter(pk=partial.pk).update(kind="partial", choice=CHOICE)
        history = self.client.get(address).context["history"]
        self.assertEqual((history.newest.backup, history.recoverable.backup), (whole, whole))
        self.assertEqual([row.backup for row in history.backups], [partial, whole])

    def test_one_that_succeeds_hides_no_failure_before_it(self) -> None:
        failed = make_job(self.orders, JobStatus.FAILED)
        partial = make_job(self.orders, JobStatus.SUCCEEDED)
        Job.objects.filter(pk=partial.pk).update(kind="partial")
        page = self.client.get(reverse("instance-detail", args=["orders-1"]))
        self.assertEqual(page.context["history"].last_failed, failed)

    def test_a_schedule_keeps_its_tables_and_shows_them(self) -> None:
        given = typed(kind="partial", include="shop.*\nother.t", exclude="shop.log_*")
        answer = self.client.post(reverse("schedule-add"), given)
        self.assertRedirects(answer, reverse("schedule-detail", args=["nightly"]))
        nightly = BackupSchedule.objects.get()
        chosen = {"include": ["shop.*", "other.t"], "exclude": ["shop.log_*"]}
        self.assertEqual(nightly.options, chosen)
        self.assertContains(
            self.client.get(reverse("schedule-detail", args=["nightly"])),
            "of shop.*, other.t without shop.log_*, which do not protect their instances,",
        )
        form = self.client.get(reverse("schedule-edit", args=["nightly"])).context["form"]
        self.assertEqual(form["include"].value(), "shop.*\nother.t")
        self.client.post(reverse("schedule-start", args=["nightly"]))
        job = Job.objects.get()
        self.assertEqual((job.kind, job.parameters), ("partial", chosen))
        planned = scheduled_parameters(make_occurrence(nightly, self.orders, T0))
        self.assertEqual(str(planned.options.choice), "shop.*, other.t without shop.log_*")

    def test_a_schedule_may_store_increments(self) -> None:
        given = typed(kind="partial", include="shop.*", incremental="on")
        self.client.post(reverse("schedule-add"), given)
        nightly = BackupSchedule.objects.get()
        self.assertEqual(nightly.options, {"include": ["shop.*"], "incremental": True})
        page = self.client.get(reverse("schedule-detail", args=["nightly"]))
        self.assertContains(page, "what changed since the newest one of these tables")
        form = self.client.get(reverse("schedule-edit", args=["nightly"])).context["form"]
        self.assertTrue(form["incremental"].value())
        planned = scheduled_parameters(make_occurrence(nightly, self.orders, T0))
        self.assertTrue(planned.options.is_increment)
        self.client.post(reverse("schedule-edit", args=["nightly"]), {**given, "incremental": ""})
        nightly.refresh_from_db()
        self.assertEqual(nightly.options, {"include": ["shop.*"]})

    def test_a_schedule_is_refused_tables_that_do_not_fit_its_kind(self) -> None:
        for changes, words in (
            ({"kind": "partial"}, "needs the tables that it includes or excludes"),
            ({"kind": "full", "include": "shop.*"}, "Only partial backups include"),
            ({"kind": "full", "incremental": "on"}, "Only partial backups store increments"),
            ({"kind": "partial", "include": "a", "options": '{"incremental": 1}'}, "true or false"),
            ({"kind": "partial", "include": "a.b.c"}, "is not a schema, a dot and a table"),
        ):
            answer = self.client.post(reverse("schedule-add"), typed(**changes))
            self.assertIn(words, str(answer.context["form"].errors))
        self.assertFalse(BackupSchedule.objects.exists())

    def test_a_schedule_of_partial_backups_covers_no_instance(self) -> None:
        partial = make_schedule("tables", self.orders, kind="partial", options=CHOICE)
        self.assertEqual(list(uncovered_instances()), [self.orders])
        make_schedule("whole", cron="", after=partial)
        self.assertEqual(list(uncovered_instances()), [])
