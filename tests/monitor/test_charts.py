from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.test import SimpleTestCase, TestCase
from django.urls import reverse

from backups.models import Instance, Job
from backups.states import JobStatus, OccurrenceStatus, Operation
from monitor.charts.figure import byte_axis, time_axis
from monitor.charts.instance import instance_charts
from monitor.plotly_files import PlotlyFinder
from monitor.selectors.instance_runs import RUNS_SHOWN, list_runs
from monitor.templatetags.charts import STYLE_OF_MAPS, STYLE_OF_PLOTS
from tests.monitor.planning import make_occurrence, make_schedule
from tests.monitor.rows import GIB, T0, make_instance, make_job, make_user


class AxesTestCase(SimpleTestCase):
    def test_bytes_are_written_in_our_units(self) -> None:
        for largest, words in [
            (0, ["0 B"]),
            (800, ["0 B", "200 B", "400 B", "600 B", "800 B"]),
            (3 * GIB, ["0 B", "1 GiB", "2 GiB", "3 GiB"]),
            (1000 * GIB, ["0 B", "250 GiB", "500 GiB", "750 GiB", "1000 GiB"]),
        ]:
            with self.subTest(largest):
                self.assertEqual(byte_axis(largest)["ticktext"], words)

    def test_times_are_written_in_the_units_people_count_in(self) -> None:
        for longest, last in [
            (0, "0 ms"),
            (0.05, "60 ms"),
            (59, "60 s"),
            (60, "1 min"),
            (61, "1.5 min"),
        ]:
            with self.subTest(longest):
                self.assertEqual(time_axis(longest)["ticktext"][-1], last)

    def test_the_highest_value_is_never_above_the_axis(self) -> None:
        for largest in [1, 999, 1023, 1024, 1025, 5 * 1024**2 + 1, 1023 * GIB, 7 * 1024 * GIB]:
            with self.subTest(largest):
                self.assertGreaterEqual(byte_axis(largest)["range"][1], largest)
                self.assertLessEqual(len(byte_axis(largest)["tickvals"]), 6)


class PlotlyFilesTestCase(SimpleTestCase):
    def test_the_script_comes_out_of_the_wheel_and_nothing_else_does(self) -> None:
        found = finders.find("plotly/plotly.min.js")
        assert isinstance(found, str)
        self.assertGreater(Path(found).stat().st_size, 1_000_000)
        self.assertIsNone(finders.find("plotly/widgetbundle.js"))
        self.assertEqual([name for name, _ in PlotlyFinder().list(None)], ["plotly.min.js"])

    def test_the_script_still_asks_for_the_elements_that_keep_its_styles_out(self) -> None:
        found = finders.find("plotly/plotly.min.js")
        assert isinstance(found, str)
        script = Path(found).read_text(encoding="utf-8")
        self.assertIn(f'getElementById("{STYLE_OF_MAPS}")', script)
        self.assertIn(f'"{STYLE_OF_PLOTS.removesuffix("global")}"', script)
        self.assertIn(".no-inline-styles", script)


class InstanceChartsTestCase(TestCase):
    orders: Instance
    olga: User

    @classmethod
    def setUpTestData(cls) -> None:
        cls.orders = make_instance("orders-1")
        cls.olga = make_user("olga", "operator")

    def test_one_backup_is_no_course(self) -> None:
        make_job(self.orders, JobStatus.SUCCEEDED)
        make_job(self.orders, JobStatus.FAILED)
        self.assertIsNone(instance_charts(list_runs("orders-1")))

    def test_runs_are_the_newest_ended_backups_the_oldest_first(self) -> None:
        for n in range(RUNS_SHOWN + 2):
            job = make_job(self.orders, JobStatus.SUCCEEDED)
            Job.objects.filter(pk=job.pk).update(ended_at=T0 + timedelta(minutes=n + 1))
        for status in (JobStatus.RUNNING, JobStatus.PENDING, JobStatus.CANCELLED):
            make_job(self.orders, status)
        make_job(self.orders, JobStatus.SUCCEEDED, Operation.VERIFY)
        make_job(make_instance("other"), JobStatus.SUCCEEDED)
        runs = list_runs("orders-1")
        self.assertEqual(len(runs), RUNS_SHOWN)
        self.assertEqual(runs[0].at, T0 + timedelta(minutes=3))
        self.assertEqual(runs[-1].run_time, timedelta(minutes=RUNS_SHOWN + 2))

    def test_failures_are_marked_on_every_chart(self) -> None:
        for status in (JobStatus.SUCCEEDED, JobStatus.LOST, JobStatus.FAILED, JobStatus.SUCCEEDED):
            make_job(self.orders, status)
        charts = instance_charts(list_runs("orders-1"))
        assert charts is not None
        self.assertEqual([c.name for c in charts.drawn], ["size", "duration", "throughput"])
        self.assertEqual((charts.failures, charts.refusals), (2, 0))
        for drawn in charts.drawn:
            with self.subTest(drawn.name):
                marks = drawn.figure.drawing["data"][-1]
                self.assertEqual((marks["y"], marks["marker"]["symbol"]), ([0, 0], "x"))

    def test_only_refusals_of_scheduled_runs_are_marked_and_counted_apart(self) -> None:
        for status in (JobStatus.SUCCEEDED, JobStatus.REFUSED, JobStatus.REFUSED):
            make_job(self.orders, status)
        nightly = make_schedule("nightly", self.orders)
        planned = make_occurrence(nightly, self.orders, T0, OccurrenceStatus.REFUSED)
        scheduled = make_job(self.orders, JobStatus.REFUSED)
        Job.objects.filter(pk=scheduled.pk).update(occurrence=planned)
        make_job(self.orders, JobStatus.SUCCEEDED)
        charts = instance_charts(list_runs("orders-1"))
        assert charts is not None
        self.assertEqual((charts.failures, charts.refusals), (0, 1))
        self.assertEqual(charts.drawn[0].figure.drawing["data"][-1]["text"], ["refused"])

    def test_increments_are_points_beside_the_line_of_the_full_backups(self) -> None:
        for kind in ("full", "incremental", "incremental", "full"):
            job = make_job(self.orders, JobStatus.SUCCEEDED)
            Job.objects.filter(pk=job.pk).update(kind=kind)
        charts = instance_charts(list_runs("orders-1"))
        assert charts is not None
        for chart in charts.drawn:
            modes = [trace["mode"] for trace in chart.figure.drawing["data"] if trace["y"]]
            self.assertEqual(len({*modes}), 2, chart.name)
        self.assertIn("(full)", charts.drawn[0].note)

    def test_lock_times_are_drawn_where_they_are_known(self) -> None:
        for _ in range(2):
            make_job(self.orders, JobStatus.SUCCEEDED)
        Job.objects.update(lock_time=timedelta(milliseconds=55))
        charts = instance_charts(list_runs("orders-1"))
        assert charts is not None
        self.assertIn("Last 55 ms", charts.drawn[-1].note)

    def test_the_page_carries_figures_and_loads_the_script_only_with_them(self) -> None:
        self.client.force_login(self.olga)
        address = reverse("instance-detail", args=["orders-1"])
        self.assertNotContains(self.client.get(address), "plotly")
        for _ in range(2):
            make_job(self.orders, JobStatus.SUCCEEDED)
        self.client.cookies["zone"] = "Asia/Kolkata"
        text = self.client.get(address).content.decode()
        self.assertIn("plotly/plotly.min.js", text)
        for name in ("size", "duration", "throughput"):
            found = re.search(rf'<script id="chart-{name}"[^>]*>(.*?)</script>', text)
            assert found is not None
            drawing = json.loads(found[1])
            self.assertEqual(drawing["data"][0]["x"][0], "2026-03-02 06:31")
            self.assertNotIn("template", drawing["layout"])
