"""Every page about plans and alerts costs the same at 20 and at 200 rows."""

from __future__ import annotations

from time import perf_counter

from django.contrib.auth.models import User
from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now

from alerts.models import Alert, Channel, Silence
from alerts.states import Severity
from backups.models import BackupSchedule, Instance, InstanceGroup, Occurrence, Tag
from tests.alerts.rows import make_alert
from tests.monitor.planning import make_planned_fleet
from tests.monitor.rows import make_user

# Of the page with everything on it; none may be more.
# The form of a schedule is validated for its preview: each check of its table is three of them.
MOST_QUERIES = 52


def pages() -> list[str]:
    first = Alert.objects.filter(resolved_at=None).earliest("id")
    return [
        reverse("schedules"),
        reverse("schedule-detail", args=["nightly-003"]),
        reverse("schedule-edit", args=["nightly-003"]),
        reverse("calendar"),
        f"{reverse('calendar')}?group=shop&tag=prod&schedule=nightly-003",
        reverse("calendar-day", args=["orders-003", f"{now():%Y-%m-%d}"]),
        reverse("alerts"),
        f"{reverse('alerts')}?silenced=yes&group=shop&tag=prod&severity=20",
        f"{reverse('alerts')}?silenced=no",
        reverse("alerts-live"),
        reverse("alert-history"),
        reverse("alert-detail", args=[first.pk]),
        reverse("channels"),
        reverse("channel-detail", args=["hook-003"]),
        reverse("silences"),
        reverse("silence-add"),
        reverse("rules"),
        reverse("rule-detail", args=["job_failed"]),
    ]


def clear() -> None:
    for model in (
        Alert,
        Silence,
        Channel,
        Occurrence,
        BackupSchedule,
        Instance,
        InstanceGroup,
        Tag,
    ):
        model._default_manager.all().delete()


class PageCostsTestCase(TestCase):
    ada: User

    @classmethod
    def setUpTestData(cls) -> None:
        cls.ada = make_user("ada", "admin")

    def setUp(self) -> None:
        self.client.force_login(self.ada)

    def costs(self, size: int) -> dict[str, int]:
        clear()
        make_planned_fleet(size, now())
        found = {}
        for number, page in enumerate(pages()):
            with CaptureQueriesContext(connection) as queries:
                response = self.client.get(page)
            self.assertEqual(response.status_code, 200, page)
            found[f"{number} {page.partition('?')[0].rstrip('/0123456789-')}"] = len(queries)
        return found

    def test_every_page_costs_the_same_at_20_and_at_200_rows(self) -> None:
        few, many = self.costs(20), self.costs(200)
        self.assertEqual(few, many)
        self.assertLessEqual(max(many.values()), MOST_QUERIES)

    def test_two_thousand_alerts_are_paged(self) -> None:
        names = [f"orders-{n % 50}" for n in range(2000)]
        for n, name in enumerate(names):
            make_alert(name, rule=f"rule_{n}", severity=list(Severity)[n % 4])
        self.client.get(reverse("alerts"))
        begun = perf_counter()
        response = self.client.get(reverse("alerts"))
        print(f"alerts page with 2,000 open: {(perf_counter() - begun) * 1000:.0f} ms")
        self.assertContains(response, "Page 1 of 100")
