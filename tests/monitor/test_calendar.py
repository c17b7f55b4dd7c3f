"""The calendar: every kind of day in its word, and the days to come reckoned."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import time_machine
from django.test import TestCase
from django.urls import reverse
from django.utils import timezone

from backups.models import Backup, BackupSchedule, Instance, InstanceGroup
from backups.states import OccurrenceStatus
from monitor.forms.filters import CalendarFilter
from monitor.selectors.calendar import Calendar, load_calendar
from tests.monitor.planning import DAY, make_occurrence, make_schedule
from tests.monitor.rows import GIB, T0, make_instance, make_user

TODAY = date(2026, 3, 2)
# T0 is 01:00 UTC; the runs of the day are still to come.
NIGHTLY = "30 12 * * *"


def calendar(**query: str) -> Calendar:
    return load_calendar(CalendarFilter(query).chosen(), None, T0)


def words(found: Calendar, name: str = "orders-1") -> dict[date, str]:
    row = next(row for row in found.rows if row.instance.name == name)
    return {cell.day: cell.word for cell in row.cells}


class CalendarTestCase(TestCase):
    orders: Instance
    nightly: BackupSchedule

    @classmethod
    def setUpTestData(cls) -> None:
        cls.orders = make_instance("orders-1")
        cls.nightly = make_schedule("nightly", cls.orders, cron=NIGHTLY)

    def test_it_reaches_from_30_days_back_to_7_ahead(self) -> None:
        days = calendar().days
        self.assertEqual((days[0], days[-1]), (date(2026, 2, 1), date(2026, 3, 9)))

    def test_every_word(self) -> None:
        for back, (status, late, word) in enumerate(
            [
                (OccurrenceStatus.SUCCEEDED, False, "done"),
                (OccurrenceStatus.SUCCEEDED, True, "late"),
                (OccurrenceStatus.MISSED, True, "missed"),
                (OccurrenceStatus.FAILED, False, "failed"),
                (OccurrenceStatus.REFUSED, False, "refused"),
                (OccurrenceStatus.RUNNING, False, "running"),
                (OccurrenceStatus.DUE, False, "due"),
                (OccurrenceStatus.DUE, True, "late"),
                (OccurrenceStatus.SKIPPED, False, "skipped"),
                (OccurrenceStatus.CANCELLED, False, "cancelled"),
            ],
            start=1,
        ):
            with self.subTest(f"{status} {late}"):
                due_at = T0 - back * DAY
                late_at = due_at if late else None
                make_occurrence(self.nightly, self.orders, due_at, status, late_at=late_at)
                self.assertEqual(words(calendar())[due_at.date()], word)

    def test_days_to_come_are_planned_today_too_and_the_past_is_not(self) -> None:
        found = words(calendar())
        self.assertEqual(found[TODAY], "planned")
        self.assertEqual(found[TODAY + 7 * DAY], "planned")
        self.assertEqual(found[TODAY - DAY], "")

    def test_a_pause_shows_until_it_ends(self) -> None:
        BackupSchedule.objects.update(paused_at=T0, paused_until=T0 + 2 * DAY)
        found = words(calendar())
        self.assertEqual(found[TODAY + DAY], "paused")
        self.assertEqual(found[TODAY + 2 * DAY], "planned")

    def test_a_disabled_schedule_or_instance_plans_nothing(self) -> None:
        BackupSchedule.objects.update(enabled=False)
        self.assertEqual(words(calendar())[TODAY + DAY], "")
        BackupSchedule.objects.update(enabled=True, covers_all=True)
        Instance.objects.update(enabled=False)
        self.assertEqual(words(calendar())[TODAY + DAY], "")

    def test_groups_tags_and_all_plan_as_names_do(self) -> None:
        billing = make_instance("billing-1")
        group = InstanceGroup.objects.create(name="billing")
        group.instances.add(billing)
        weekly = make_schedule("weekly", cron=NIGHTLY)
        weekly.groups.add(group)
        self.assertEqual(words(calendar(), "billing-1")[TODAY + DAY], "planned")
        weekly.groups.clear()
        self.assertEqual(words(calendar(), "billing-1")[TODAY + DAY], "")
        BackupSchedule.objects.filter(pk=weekly.pk).update(covers_all=True)
        self.assertEqual(words(calendar(), "billing-1")[TODAY + DAY], "planned")

    def test_the_worst_of_a_day_is_shown_and_all_are_counted(self) -> None:
        at = T0 - DAY
        make_occurrence(self.nightly, self.orders, at)
        make_occurrence(self.nightly, self.orders, at + timedelta(hours=1), OccurrenceStatus.FAILED)
        cell = next(c for c in calendar().rows[0].cells if c.day == at.date())
        self.assertEqual((cell.word, cell.counts), ("failed", "1 failed, 1 done"))

    def test_the_kinds_of_past_and_planned_runs(self) -> None:
        # T0 is a Monday.
        BackupSchedule.objects.update(kind="incremental", full_cron="30 12 * * 0")
        for days, kind in ((1, "full"), (2, "incremental")):
            make_occurrence(self.nightly, self.orders, T0 - days * DAY, kind=kind)
        cells = {cell.day: cell for cell in calendar().rows[0].cells}
        for days, kinds in ((-2, "incremental"), (-1, "full"), (0, "incremental"), (6, "full")):
            with self.subTest(days):
                cell = cells[TODAY + days * DAY]
                self.assertEqual((cell.kinds, cell.full), (kinds, kinds == "full"))

    def test_full_backups_alone_are_not_marked(self) -> None:
        make_occurrence(self.nightly, self.orders, T0 - DAY)
        self.assertFalse(calendar().shows_fulls)

    def test_a_backup_nobody_planned_is_seen(self) -> None:
        Backup.objects.create(
            label="orders-1@x", instance=self.orders, kind="full", engine="mysqlbackup",
            raw_bytes=GIB, stored_bytes=GIB, file_count=1, started_at=T0 - DAY, ended_at=T0 - DAY,
            origin="observed",
        )  # fmt: skip
        self.assertEqual(words(calendar())[TODAY - DAY], "unplanned")
        self.assertEqual(words(calendar(schedule="nightly"))[TODAY - DAY], "")

    def test_days_are_those_of_the_reader(self) -> None:
        make_occurrence(self.nightly, self.orders, T0 - DAY, OccurrenceStatus.MISSED)
        with timezone.override(ZoneInfo("America/New_York")):
            found = words(calendar())
        self.assertEqual(found[date(2026, 2, 28)], "missed")
        self.assertEqual((found[date(2026, 3, 1)], found[date(2026, 3, 2)]), ("", "planned"))

    def test_filters(self) -> None:
        shop = InstanceGroup.objects.create(name="shop")
        make_instance("billing-1").groups.add(shop)
        for query, names in (
            ({}, ["billing-1", "orders-1"]),
            ({"group": "shop"}, ["billing-1"]),
            ({"schedule": "nightly"}, ["orders-1"]),
            ({"q": "ord"}, ["orders-1"]),
            ({"group": "nonsense"}, ["billing-1", "orders-1"]),
        ):
            with self.subTest(str(query)):
                found = calendar(**query)
                self.assertEqual([row.instance.name for row in found.rows], names)

    def test_a_cell_leads_to_its_day(self) -> None:
        self.client.force_login(make_user("victor", "viewer"))
        make_occurrence(self.nightly, self.orders, T0 - DAY, OccurrenceStatus.MISSED)
        with time_machine.travel(datetime(2026, 3, 2, 1, tzinfo=ZoneInfo("UTC")), tick=False):
            page = self.client.get(reverse("calendar")).content.decode()
            self.assertIn('href="orders-1/2026-03-01/"', page)
            day = self.client.get("/calendar/orders-1/2026-03-01/")
            self.assertContains(day, "missed")
            self.assertContains(day, reverse("schedule-detail", args=["nightly"]))
            ahead = self.client.get("/calendar/orders-1/2026-03-04/")
            self.assertContains(ahead, "Still planned")
