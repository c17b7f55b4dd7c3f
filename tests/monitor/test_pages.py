"""What holds for every page and template: nothing inline, light, and an answer to every error."""

from __future__ import annotations

import gzip
import re
from datetime import timedelta
from pathlib import Path

from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.template import engines
from django.test import Client, RequestFactory, SimpleTestCase, TestCase
from django.urls import reverse
from django.utils.timezone import now

from alerts.models import Alert
from alerts.states import Severity
from backups.models import BackupCopy, Instance, Job
from backups.states import JobStatus, OccurrenceStatus, Operation
from monitor.environment import ROOT
from monitor.selectors.calendar import PAGE_SIZE
from monitor.views.errors import csrf_failure
from tests.alerts.rows import make_alert
from tests.markup import one_line
from tests.monitor.planning import DAY, make_occurrence, make_planned_fleet, make_schedule
from tests.monitor.rows import (
    make_backup,
    make_chain,
    make_evidence,
    make_fleet,
    make_instance,
    make_job,
    make_repository,
    make_user,
)
from tests.monitor.test_jobs import add_lines

HEAVIEST_BYTES = 96 * 1024
LONGEST_TEMPLATE, LONGEST_LINE = 150, 120
INLINE = re.compile(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\b(src|type)=)")
STATIC = re.compile(r'(?:src|href)="/static/([^"#]+)')
ASKS = re.compile(r"hx-(get|post|trigger)=")
FIGURE = re.compile(r'<script id="chart-[^>]*>.*?</script>', re.DOTALL)


def templates() -> list[Path]:
    return sorted((ROOT / "templates").rglob("*.html"))


def weight(page: str) -> int:
    """Return the bytes that cross the network for a first visit.

    The page goes as it is; the files it names go compressed, as WhiteNoise serves them. Without
    plotly and what only plotly reads.
    """
    names = {name for name in STATIC.findall(page) if "plotly" not in name}
    paths = [finders.find(name) for name in names]
    sizes = [len(gzip.compress(Path(path).read_bytes())) for path in paths if isinstance(path, str)]
    assert len(sizes) == len(names), names
    return len(FIGURE.sub("", page).encode()) + sum(sizes)


class TemplatesTestCase(SimpleTestCase):
    def test_none_has_anything_inline(self) -> None:
        self.assertGreater(len(templates()), 30)
        for path in templates():
            with self.subTest(path.name):
                self.assertIsNone(INLINE.search(path.read_text(encoding="utf-8")))

    def test_inline_is_seen(self) -> None:
        for text in (
            '<p style="x">',
            "<style>",
            "<script>x</script>",
            '<a onclick="x">',
            '<a href="javascript:x">',
        ):
            with self.subTest(text):
                self.assertIsNotNone(INLINE.search(text))
        self.assertIsNone(INLINE.search('<script type="module" src="x"></script>'))

    def test_each_is_small_and_can_be_read_by_django(self) -> None:
        for path in templates():
            with self.subTest(path.name):
                source = path.read_text(encoding="utf-8")
                self.assertLessEqual(len(source.splitlines()), LONGEST_TEMPLATE)
                self.assertLessEqual(max(map(len, source.splitlines())), LONGEST_LINE)
                engines["django"].from_string(source)

    def test_stylesheets_and_scripts_are_small(self) -> None:
        for kind, most in (("css", 300), ("js", 150)):
            for path in (ROOT / "static" / kind).iterdir():
                with self.subTest(path.name):
                    self.assertLessEqual(len(path.read_text(encoding="utf-8").splitlines()), most)


class WeightTestCase(TestCase):
    ada: User
    copy: BackupCopy
    chained: Instance
    job: Job

    @classmethod
    def setUpTestData(cls) -> None:
        cls.ada = make_user("ada", "admin")
        main = make_repository()
        make_fleet(30, main)
        orders = make_instance("orders-archive-production-frankfurt-availability-zone-c")
        for n in range(25):
            cls.copy = make_backup(orders, main, age=timedelta(hours=n))
            make_evidence(cls.copy, Operation.VERIFY, passed=True)
            make_evidence(cls.copy, Operation.RESTORE_TEST, passed=True)
            cls.job = make_job(orders, JobStatus.FAILED if n % 5 == 4 else JobStatus.SUCCEEDED)
        cls.chained = make_instance("chains-archive-production-frankfurt-availability-zone-c")
        for n in range(5):
            for backup in make_chain(cls.chained, main, "FIIIDIIID", age=timedelta(days=n)):
                make_evidence(backup.copies.get(), Operation.VERIFY, passed=n > 0)
            make_job(cls.chained, JobStatus.FAILED)
        add_lines(cls.job, 1000)
        make_planned_fleet(30, now())
        cls.fill_calendar()

    @classmethod
    def fill_calendar(cls) -> None:
        """Have every day of the calendar's first page, with names as long as people like them."""
        nightly = make_schedule("a-first", cron="59 23 * * *", covers_all=True)
        for n in range(PAGE_SIZE):
            instance = make_instance(f"a-{n:02}-orders-production-frankfurt-availability-zone-c")
            for days in range(30):
                make_occurrence(nightly, instance, now() - days * DAY, OccurrenceStatus.MISSED)
            for rule in ("job_failed", "lock_time", "copy_missing"):
                make_alert(instance.name, rule=rule, severity=Severity.EMERGENCY)

    def addresses(self) -> list[str]:
        return [
            reverse("fleet"),
            reverse("instance-detail", args=[self.copy.backup.instance.name]),
            reverse("instance-detail", args=[self.chained.name]),
            reverse("backup-detail", args=[self.chained.backups.latest("ended_at").label]),
            reverse("job-detail", args=[self.job.pk]),
            reverse("backup-detail", args=[self.copy.backup.label]),
            reverse("styleguide"),
            reverse("schedules"),
            reverse("schedule-detail", args=["a-first"]),
            reverse("calendar"),
            reverse("alerts"),
            reverse("alert-history"),
            reverse("alert-detail", args=[Alert.objects.latest("id").pk]),
            reverse("silences"),
            reverse("rules"),
            reverse("channels"),
            reverse("channel-detail", args=["hook-003"]),
        ]

    def test_no_page_is_heavy(self) -> None:
        self.client.force_login(self.ada)
        for address in self.addresses():
            with self.subTest(address):
                page = self.client.get(address).content.decode()
                self.assertLessEqual(weight(page), HEAVIEST_BYTES)

    def test_the_calendar_weighed_is_full(self) -> None:
        self.client.force_login(self.ada)
        page = self.client.get(reverse("calendar")).content.decode()
        self.assertGreaterEqual(page.count('data-word="missed"'), 30 * PAGE_SIZE)

    def test_what_asks_for_more_loads_what_it_asks_with(self) -> None:
        self.client.force_login(self.ada)
        without = 0
        for address in self.addresses():
            with self.subTest(address):
                page = self.client.get(address).content.decode()
                without += "htmx-2" not in page
                self.assertTrue("htmx-2" in page or not ASKS.search(page))
        self.assertGreater(without, 0)


class ErrorPagesTestCase(TestCase):
    def test_a_page_that_is_not_there(self) -> None:
        self.client.force_login(make_user("victor", "viewer"))
        response = self.client.get("/nothing/at/all/")
        self.assertContains(response, "Nothing was found at this address", status_code=404)

    def test_a_bad_request(self) -> None:
        text = engines["django"].get_template("400.html").render({}, RequestFactory().get("/"))
        self.assertIn("Bad request", text)

    def test_a_failure_needs_no_context_to_be_shown(self) -> None:
        text = engines["django"].get_template("500.html").render({})
        self.assertIn("Running backups are not affected", one_line(text))

    def test_an_expired_form_says_what_to_do(self) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(make_user("victor", "viewer"))
        response = client.post(reverse("preferences"), {"theme": "dark"})
        self.assertContains(response, "reload the page", status_code=403)
        self.assertTrue(hasattr(csrf_failure, "rule"))

    def test_a_message_is_announced(self) -> None:
        self.client.force_login(make_user("olga", "operator"))
        job = make_job(make_instance("orders-1"), JobStatus.RUNNING)
        Job.objects.filter(pk=job.pk).update(started_at=now())
        response = self.client.post(reverse("job-cancel", args=[job.pk]), follow=True)
        text = response.content.decode()
        region = text[text.index('class="toasts" role="status" aria-live="polite"') :]
        self.assertIn("Cancellation of the job was requested", region)
