"""Will it fit? Shown before: on the schedule's page, in its form, on the page of the instance."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now

from backups.models import Backup, BackupSchedule, Instance
from tests.monitor.forms.test_schedule import typed
from tests.monitor.planning import make_schedule
from tests.monitor.rows import make_instance, make_user

WORDS = "expected 5 h 00 min, window 4 h 00 min, from the last 4 runs"


def take_long(instance: Instance, length: timedelta = timedelta(hours=5)) -> None:
    for night in range(1, 5):
        at = now() - timedelta(days=night)
        Backup.objects.create(
            label=f"{instance.name}-{night}", instance=instance, kind="full", started_at=at,
            ended_at=at + length,
        )  # fmt: skip


class ForecastPagesTestCase(TestCase):
    ada: User
    orders: Instance
    nightly: BackupSchedule

    @classmethod
    def setUpTestData(cls) -> None:
        cls.ada = make_user("ada", "admin")
        cls.orders = make_instance("orders-1")
        cls.nightly = make_schedule("nightly", cls.orders)
        take_long(cls.orders)

    def setUp(self) -> None:
        self.client.force_login(self.ada)

    def test_the_schedule_names_who_will_not_fit(self) -> None:
        page = self.client.get(reverse("schedule-detail", args=["nightly"]))
        self.assertContains(page, "orders-1 will probably not fit the window:")
        self.assertContains(page, WORDS)
        self.assertContains(page, "1 not")
        BackupSchedule.objects.update(when_unfit="skip")
        page = self.client.get(reverse("schedule-detail", args=["nightly"]))
        self.assertContains(page, "Such runs are not started")

    def test_the_page_costs_the_same_for_more_instances(self) -> None:
        address = reverse("schedule-detail", args=["nightly"])
        self.client.get(address)
        with CaptureQueriesContext(connection) as before:
            self.client.get(address)
        for number in range(5):
            more = make_instance(f"more-{number}")
            take_long(more)
            self.nightly.instances.add(more)
        with self.assertNumQueries(len(before)):
            self.client.get(address)

    def test_the_form_shows_it_for_the_window_entered(self) -> None:
        address = reverse("schedule-preview")
        self.assertContains(self.client.post(address, typed(kind="full")), WORDS)
        longer = self.client.post(address, typed(kind="full", window="6h"))
        self.assertNotContains(longer, "will probably not fit")
        invalid = self.client.post(address, typed(kind="full", window="soon"))
        self.assertNotContains(invalid, "will probably not fit")

    def test_the_form_stores_what_then_happens(self) -> None:
        given = typed(name="x", at_window_end="slow", slow_bytes_per_s="8M", when_unfit="skip")
        self.client.post(reverse("schedule-add"), given)
        saved = BackupSchedule.objects.get(name="x")
        self.assertEqual((saved.slow_bytes_per_s, saved.when_unfit), (8 << 20, "skip"))
        page = self.client.get(reverse("schedule-edit", args=["x"]))
        self.assertContains(page, 'value="8M"')
        shown = self.client.get(reverse("schedule-detail", args=["x"]))
        self.assertContains(shown, "limit its rate, and report the overrun")

    def test_the_instance_shows_each_of_its_schedules(self) -> None:
        make_schedule("weekly", self.orders, kind="incremental", cron="0 3 * * 6")
        page = self.client.get(reverse("instance-detail", args=["orders-1"]))
        self.assertContains(page, WORDS)
        self.assertContains(page, "0 earlier runs of this kind, 3 are needed")
