"""Do live parts, dialogs, charts and themes work where people use them?"""

from __future__ import annotations

import re
from datetime import timedelta

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.timezone import now
from playwright.sync_api import expect

from backups.models import Instance, Job, JobSample
from backups.states import JobStatus
from tests.browser.chromium import BrowserTestCase
from tests.monitor.rows import make_instance, make_job, make_repository, make_stages, make_user

BYTES = "#job .tile:nth-child(2) .figure-value"


class LivePartsTestCase(BrowserTestCase):
    olga: User
    orders: Instance
    job: Job

    def setUp(self) -> None:
        self.olga = make_user("olga", "operator")
        self.orders = make_instance("orders-1")
        make_repository()
        self.job = make_job(self.orders, JobStatus.RUNNING)
        make_stages(self.job, 2)

    def tearDown(self) -> None:
        self.assertEqual(self.complaints, [])

    def test_an_update_keeps_focus_selection_and_dialog(self) -> None:
        page = self.open(reverse("job-detail", args=[self.job.pk]), self.olga)
        page.locator("[data-dialog]").focus()
        page.evaluate("getSelection().selectAllChildren(document.querySelector('#job h1'))")
        page.evaluate("window.row = document.querySelector('.gantt tbody tr')")
        Job.objects.filter(pk=self.job.pk).update(bytes_done=2 * 1024**3)
        expect(page.locator(BYTES)).to_have_text("2.0 GiB")
        self.assertTrue(page.evaluate("window.row.isConnected"))
        self.assertTrue(page.evaluate("document.activeElement.matches('[data-dialog]')"))
        self.assertIn("Backup of orders-1", page.evaluate("getSelection().toString()"))

        page.locator("[data-dialog]").press("Enter")
        Job.objects.filter(pk=self.job.pk).update(bytes_done=3 * 1024**3)
        expect(page.locator(BYTES)).to_have_text("3.0 GiB")
        self.assertTrue(page.locator("dialog:modal").is_visible())
        page.locator("dialog button[type=submit]").click()
        page.locator(".toast").get_by_text("Cancellation of the job was requested.").wait_for()

    def test_a_job_that_ended_is_loaded_no_more(self) -> None:
        page = self.open(reverse("job-detail", args=[self.job.pk]), self.olga)
        Job.objects.filter(pk=self.job.pk).update(status=JobStatus.SUCCEEDED)
        page.locator("#job .status-succeeded").first.wait_for()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        # Longer than its region's own rhythm of two seconds.
        page.wait_for_timeout(3_000)
        self.assertEqual([url for url in asked if url.endswith("/live/")], [])

    def test_the_course_of_the_rate_grows_where_it_is(self) -> None:
        page = self.open(reverse("job-detail", args=[self.job.pk]), self.olga)
        page.get_by_text("The chart appears after").wait_for()
        self.add_samples(3)
        page.locator("#rate .js-plotly-plot .main-svg").first.wait_for()
        page.evaluate("window.plot = document.querySelector('#rate .js-plotly-plot')")
        self.add_samples(2)
        # Drawn again, and in the very same element: nothing jumps.
        label = re.compile(r"between 0 B/s and 4\.0 MiB/s")
        # Loaded every five seconds, which is as long as Playwright would wait.
        drawn = page.locator("#rate .js-plotly-plot")
        expect(drawn).to_have_attribute("aria-label", label, timeout=30_000)
        self.assertEqual(page.evaluate("window.plot.data[0].y.length"), 5)
        self.assertTrue(page.evaluate("window.plot.isConnected"))

    def add_samples(self, count: int) -> None:
        begun = JobSample.objects.filter(job=self.job).count()
        for n in range(begun, begun + count):
            JobSample.objects.create(
                job=self.job,
                sampled_at=now() + timedelta(seconds=5 * n),
                bytes_done=n,
                rate_bytes_per_s=1024**2 * n,
            )

    def test_charts_are_drawn_under_the_policy_and_in_the_readers_theme(self) -> None:
        for _ in range(3):
            make_job(self.orders, JobStatus.SUCCEEDED)
        address = reverse("instance-detail", args=["orders-1"])
        page = self.open(address, self.olga, color_scheme="dark")
        page.locator(".js-plotly-plot .main-svg").first.wait_for()
        self.assertEqual(page.locator(".js-plotly-plot").count(), 3)
        line = page.locator(".scatterlayer .js-line").first
        self.assertEqual(line.evaluate("e => e.style.stroke"), "rgb(125, 180, 240)")

    def test_nothing_is_wider_than_a_phone(self) -> None:
        for address in ("/", reverse("instance-detail", args=["orders-1"])):
            with self.subTest(address):
                page = self.open(address, self.olga, viewport={"width": 360, "height": 740})
                self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 360)

    def test_the_zone_of_the_browser_reaches_the_server(self) -> None:
        page = self.open("/", self.olga, timezone_id="America/New_York")
        page.reload()
        expect(page.locator(".zone")).to_have_text("Times in America/New_York")
