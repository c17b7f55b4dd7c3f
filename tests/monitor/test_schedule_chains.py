"""A schedule that runs after another: its form, its page, the list and the calendar."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import localdate, now

from backups.models import BackupSchedule, Instance
from monitor.selectors.planned import plan_days, schedules_of
from tests.monitor.forms.test_schedule import typed
from tests.monitor.planning import make_schedule
from tests.monitor.rows import make_instance, make_user


class ChainedScheduleTestCase(TestCase):
    ada: User
    orders: Instance
    nightly: BackupSchedule
    logs: BackupSchedule

    @classmethod
    def setUpTestData(cls) -> None:
        cls.ada = make_user("ada", "admin")
        cls.orders = make_instance("orders-1")
        cls.nightly = make_schedule(
            "nightly", cls.orders, full_cron="0 1 * * 0", kind="incremental"
        )
        cls.logs = make_schedule("logs", cls.orders, cron="", after=cls.nightly, kind="incremental")

    def setUp(self) -> None:
        self.client.force_login(self.ada)

    def test_the_form_saves_what_it_runs_after(self) -> None:
        given = typed(name="weekly", cron="", after=self.logs.pk, after_run="ended")
        self.client.post(reverse("schedule-add"), given)
        saved = BackupSchedule.objects.get(name="weekly")
        self.assertEqual((saved.after, saved.after_run), (self.logs, "ended"))
        self.assertIsNone(saved.next_due_at)

    def test_the_form_refuses_a_circle_beside_the_field(self) -> None:
        given = typed(name="nightly", being_edited="nightly", cron="", after=self.logs.pk)
        answer = self.client.post(reverse("schedule-edit", args=["nightly"]), given)
        faults = answer.context["form"].errors["after"]
        self.assertIn("a circle: it would run after logs, which runs after nightly", faults[0])

    def test_the_form_refuses_times_of_its_own_besides(self) -> None:
        answer = self.client.post(reverse("schedule-add"), typed(after=self.nightly.pk))
        self.assertIn("or the schedule that it runs after", str(answer.context["form"].errors))

    def test_its_page_names_both_directions_and_the_times(self) -> None:
        page = self.client.get(reverse("schedule-detail", args=["logs"]))
        self.assertContains(page, "after nightly")
        self.assertContains(page, "nightly is due at:")
        # The full backups of the one before are no full ones of this.
        self.assertFalse(any(slot.full for slot in page.context["view"].slots))
        page = self.client.get(reverse("schedule-detail", args=["nightly"]))
        self.assertContains(page, "it has no runs either")

    def test_a_disabled_schedule_before_it_is_named(self) -> None:
        BackupSchedule.objects.filter(pk=self.nightly.pk).update(enabled=False)
        page = self.client.get(reverse("schedule-detail", args=["logs"]))
        self.assertContains(page, "nightly is disabled:")
        self.assertContains(page, "None: nightly is disabled.")
        self.assertContains(self.client.get(reverse("schedules")), "nightly is disabled")

    def test_instances_it_never_reaches_are_named(self) -> None:
        self.logs.instances.add(make_instance("crm-1"))
        page = self.client.get(reverse("schedule-detail", args=["logs"]))
        self.assertContains(page, "1 instance without runs:")
        given = typed(name="x", cron="", after=self.nightly.pk, instances="crm-1 orders-1")
        preview = self.client.post(reverse("schedule-preview"), given)
        self.assertContains(preview, "does not cover")
        self.assertContains(preview, "crm-1")

    def test_the_list_costs_the_same_for_a_longer_chain(self) -> None:
        self.client.get(reverse("schedules"))
        with CaptureQueriesContext(connection) as before:
            self.client.get(reverse("schedules"))
        make_schedule("more", self.orders, cron="", after=self.logs)
        with self.assertNumQueries(len(before)):
            self.client.get(reverse("schedules"))

    def test_the_calendar_plans_the_days_of_the_first(self) -> None:
        days = [localdate() + timedelta(days=n) for n in range(1, 4)]
        planned = plan_days(schedules_of([self.orders], self.logs), days, now())
        self.assertEqual({day for _, day in planned}, set(days))
        kinds = {kind for each in planned.values() for kind in each.kinds}
        self.assertEqual(kinds, {"incremental"})
