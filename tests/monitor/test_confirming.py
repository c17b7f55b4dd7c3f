"""What only a person can know is confirmed on a page: by an admin, of what was shown."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now

from alerts.models import Alert
from backups.instances.identity import note_server
from backups.models import Activity, Backup, BackupCopy, Instance, Job, Occurrence, TickHeartbeat
from backups.retention.verdicts import TICK
from backups.states import JobStatus, Operation
from tests.backups.planning import make_schedule
from tests.monitor.rows import (
    make_backup,
    make_evidence,
    make_instance,
    make_job,
    make_repository,
    make_user,
)

WORDS = (
    "was replaced by a restore",
    "is a failover to a member of the same data",
    "is another server: begin a new history",
)


class AnotherServerTestCase(TestCase):
    ada: User
    olga: User
    orders: Instance
    address: str

    @classmethod
    def setUpTestData(cls) -> None:
        cls.ada, cls.olga = make_user("ada", "admin"), make_user("olga", "operator")
        cls.orders = make_instance("orders-1")
        for identity in ("its-own", "another-1"):
            note_server(cls.orders, identity, now())
        cls.address = reverse("instance-confirm-server", args=["orders-1"])

    def confirm(self, **given: str) -> None:
        self.client.force_login(self.ada)
        self.client.post(self.address, given)

    def test_the_page_names_both_servers_and_offers_admins_the_choices(self) -> None:
        page = reverse("instance-detail", args=["orders-1"])
        for user, offered in ((self.ada, True), (self.olga, False)):
            self.client.force_login(user)
            text = " ".join(self.client.get(page).content.decode().split())
            self.assertIn("another-1", text)
            self.assertIn("not its-own", text)
            self.assertEqual([words in text for words in WORDS], [offered] * 3)

    def test_a_confirmed_server_is_the_instances_own_and_recorded(self) -> None:
        self.confirm(**{"as": "restored", "server": "another-1"})
        self.orders.refresh_from_db()
        self.assertEqual((self.orders.server_identity, self.orders.other_server), ("another-1", ""))
        row = Activity.objects.get(verb="confirmed")
        self.assertEqual((row.actor, row.details["as"]), ("ada", "restored"))

    def test_another_one_begins_a_new_history_under_the_name(self) -> None:
        self.confirm(**{"as": "another", "server": "another-1"})
        self.assertNotEqual(Instance.objects.get(name="orders-1").pk, self.orders.pk)

    def test_nothing_chosen_and_one_that_was_not_shown_change_nothing(self) -> None:
        for given in (
            {},
            {"as": "moved", "server": "another-1"},
            {"as": "restored", "server": "x"},
        ):
            self.confirm(**given)
            self.orders.refresh_from_db()
            self.assertEqual(self.orders.server_identity, "its-own", given)
        self.assertFalse(Activity.objects.filter(verb="confirmed").exists())


class UnprovenFilesTestCase(TestCase):
    files = "/var/lib/mysql/ on db-1 and server uuid-of-orders"
    page: str

    @classmethod
    def setUpTestData(cls) -> None:
        orders = make_instance("orders-1")
        Instance.objects.filter(pk=orders.pk).update(files_unproven=cls.files)
        make_user("ada", "admin")
        make_user("olga", "operator")
        cls.page = reverse("instance-detail", args=["orders-1"])

    def shown_to(self, name: str) -> str:
        self.client.force_login(User.objects.get(username=name))
        return " ".join(self.client.get(self.page).content.decode().split())

    def confirm(self, files: str) -> None:
        self.client.post(reverse("instance-confirm-files", args=["orders-1"]), {"files": files})

    def test_the_page_says_so_before_and_after_an_admin_confirmed(self) -> None:
        button = "Confirm: they belong together"
        self.assertNotIn(button, self.shown_to("olga"))
        before = self.shown_to("ada")
        self.assertIn(button, before)
        self.assertIn("Backups are refused until an admin confirms it", before)
        self.confirm(self.files)
        after = self.shown_to("ada")
        self.assertNotIn(button, after)
        self.assertIn(f"Not proven whose files are copied: {self.files}. Confirmed by ada", after)
        self.assertEqual(Activity.objects.get(verb="confirmed").actor, "ada")

    def test_what_was_not_shown_is_not_confirmed(self) -> None:
        self.shown_to("ada")
        for files in ("", "something else"):
            self.confirm(files)
        self.assertTrue(Instance.objects.get().files_await_confirmation)


class ExpiryTestCase(TestCase):
    ada: User
    copies: list[BackupCopy]

    @classmethod
    def setUpTestData(cls) -> None:
        cls.ada = make_user("ada", "admin")
        orders, main = make_instance("orders-1"), make_repository()
        schedule = make_schedule(orders, keep_for=timedelta(days=14), keep_least=1)
        cls.copies = [make_backup(orders, main, age=timedelta(days=age)) for age in (0, 20, 30)]
        # T0 is long ago: the newest one restores the beginning of the recovery window.
        make_evidence(cls.copies[0], Operation.VERIFY, passed=True)
        for copy in cls.copies:
            job, at = make_job(orders, JobStatus.SUCCEEDED), copy.backup.started_at
            occurrence = Occurrence.objects.create(
                schedule=schedule, instance=orders, due_at=at, starts_at=at, late_after=at,
                missed_after=at, status="succeeded", job=job,
            )  # fmt: skip
            Job.objects.filter(pk=job.pk).update(occurrence=occurrence)
            Backup.objects.filter(pk=copy.backup_id).update(made_by=job)
        reason = f"Refused: {TICK} is held: it last completed 365 days ago"
        TickHeartbeat.objects.create(name=TICK, error=reason, finished_at=now())

    def setUp(self) -> None:
        self.client.force_login(self.ada)

    def test_the_page_names_what_would_expire_and_why_it_is_held(self) -> None:
        answer = self.client.get(reverse("expiry"))
        self.assertContains(answer, f"{TICK} is held: it last completed 365 days ago")
        for copy, expired in zip(self.copies, (False, True, True), strict=True):
            shown = copy.backup.label in answer.content.decode()
            self.assertEqual(shown, expired, copy.backup.label)

    def test_what_was_shown_is_purged_and_recorded(self) -> None:
        seen = self.client.get(reverse("expiry")).context["view"].ids
        self.client.post(reverse("expiry-confirm"), {"copies": seen})
        self.assertEqual(Job.objects.filter(operation=Operation.PURGE).count(), 2)
        row = Activity.objects.get(verb="resumed")
        self.assertEqual((row.actor, row.details["purges"]), ("ada", 2))

    def test_what_was_not_shown_is_not_purged(self) -> None:
        for seen in ("", str(self.copies[1].pk), "x"):
            answer = self.client.post(reverse("expiry-confirm"), {"copies": seen}, follow=True)
            self.assertContains(answer, "that were not shown")
        self.assertFalse(Job.objects.filter(operation=Operation.PURGE).exists())

    def test_the_alert_of_the_held_task_leads_there(self) -> None:
        at = now()
        alert = Alert.objects.create(
            rule="periodic_task_stopped", subject=f"task:{TICK}", subject_name=f"task {TICK}",
            open_key=f"periodic_task_stopped|task:{TICK}", severity=30, status="firing",
            message=f"failed: Refused: {TICK} is held: it last completed 365 days ago",
            opened_at=at, fires_at=at, last_found_at=at,
        )  # fmt: skip
        page = reverse("alert-detail", args=[alert.pk])
        self.assertContains(self.client.get(page), reverse("expiry"))
        Alert.objects.filter(pk=alert.pk).update(message="failed: OSError")
        self.assertNotContains(self.client.get(page), f'href="{reverse("expiry")}"')

    def test_the_page_reads_no_row_of_each_copy(self) -> None:
        with CaptureQueriesContext(connection) as queries:
            self.client.get(reverse("expiry"))
        of_rows = [query for query in queries if 'FROM "backups_repository"' in query["sql"]]
        self.assertLessEqual(len(of_rows), 1)
