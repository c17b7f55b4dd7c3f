from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.test import SimpleTestCase, TestCase
from django.urls import reverse

from backups.models import Instance, Job, JobLogLine, JobStage
from backups.states import JobStatus
from monitor.selectors.job import Bar, bar_of, in_reading_order
from monitor.selectors.job_log import LINES_SHOWN, lines_after, lines_before, newest_lines
from monitor.selectors.progress import percent_of
from tests.monitor.rows import (
    T0,
    make_backup,
    make_instance,
    make_job,
    make_repository,
    make_stages,
    make_user,
)


def td(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


class TimelineTestCase(SimpleTestCase):
    def test_every_edge(self) -> None:
        job = Job(started_at=T0, ended_at=T0 + td(100))
        for begun, ended, expected in [
            (0, 100, Bar(0, 1000)),
            (25, 75, Bar(250, 500)),
            (0, 0, Bar(0, 6)),  # too short to see: as thin as can be seen
            (100, 100, Bar(994, 6)),  # and never outside
            (-5, 200, Bar(0, 1000)),  # a clock that ran backwards
            (50, None, Bar(500, 500)),  # still running when its job ended
        ]:
            with self.subTest(f"{begun} to {ended}"):
                ended_at = None if ended is None else T0 + td(ended)
                stage = JobStage(started_at=T0 + td(begun), ended_at=ended_at)
                self.assertEqual(bar_of(stage, job, T0 + td(500)), expected)

    def test_a_stage_that_never_started_has_no_bar(self) -> None:
        self.assertIsNone(bar_of(JobStage(), Job(started_at=T0), T0))
        self.assertIsNone(bar_of(JobStage(started_at=T0), Job(), T0))

    def test_a_job_of_no_length_is_all_bar(self) -> None:
        job = Job(started_at=T0, ended_at=T0)
        self.assertEqual(bar_of(JobStage(started_at=T0), job, T0), Bar(0, 1000))

    def test_stages_stand_below_the_one_that_ran_them(self) -> None:
        copy, register = JobStage(pk=1, name="copy"), JobStage(pk=2, name="register")
        lock = JobStage(pk=3, name="lock", parent_id=1)
        order = [(s.name, depth) for s, depth in in_reading_order([copy, register, lock])]
        self.assertEqual(order, [("copy", 0), ("lock", 1), ("register", 0)])

    def test_percent_at_every_edge(self) -> None:
        for status, done, total, expected in [
            (JobStatus.RUNNING, 5, None, None),
            (JobStatus.RUNNING, 0, 0, 0),
            (JobStatus.RUNNING, 0, 200, 0),
            (JobStatus.RUNNING, 199, 200, 99),
            (JobStatus.RUNNING, 300, 200, 99),  # an estimate that was passed
            (JobStatus.SUCCEEDED, 200, 200, 100),
        ]:
            with self.subTest(f"{status} {done} of {total}"):
                job = Job(status=status, bytes_done=done, bytes_total=total)
                self.assertEqual(percent_of(job), expected)


class JobPageTestCase(TestCase):
    olga: User
    victor: User
    orders: Instance
    job: Job

    @classmethod
    def setUpTestData(cls) -> None:
        cls.olga = make_user("olga", "operator")
        cls.victor = make_user("victor", "viewer")
        cls.orders = make_instance("orders-1")
        cls.job = make_job(cls.orders, JobStatus.RUNNING)

    def setUp(self) -> None:
        self.client.force_login(self.olga)

    def page(self, job: Job, name: str = "job-detail") -> str:
        response = self.client.get(reverse(name, args=[job.pk]))
        self.assertEqual(response.status_code, 200)
        return response.content.decode()

    def test_a_running_job_shows_how_far_it_is_and_asks_again(self) -> None:
        text = self.page(self.job, "job-live")
        self.assertIn("<b>25 %</b>", text)
        self.assertIn('hx-trigger="every 2s"', text)
        self.assertIn("Cancel job", text)

    def test_a_backup_of_changes_names_its_base(self) -> None:
        base = make_backup(self.orders, make_repository()).backup
        job = make_job(self.orders, JobStatus.SUCCEEDED)
        self.assertNotIn("Based on", self.page(job))
        Job.objects.filter(pk=job.pk).update(kind="incremental", base=base)
        self.assertIn(f">{base.label}</a>", self.page(job))

    def test_an_ended_job_asks_no_more(self) -> None:
        ended = make_job(self.orders, JobStatus.SUCCEEDED)
        for name in ("job-live", "job-detail"):
            text = self.page(ended, name)
            self.assertNotIn("hx-trigger", text)
            self.assertNotIn("Cancel job", text)

    def test_a_failure_says_what_failed_on_what_and_what_to_do(self) -> None:
        failed = make_job(self.orders, JobStatus.FAILED, error="access denied")
        Job.objects.filter(pk=failed.pk).update(hint="Grant RELOAD.", failed_stage="backup lock")
        text = self.page(failed)
        for words in ("Backup lock", "on orders-1", "access denied", "Grant RELOAD."):
            self.assertIn(words, text)

    def test_a_refusal_is_called_that(self) -> None:
        refused = make_job(self.orders, JobStatus.REFUSED, error="check target refused: /srv is no")
        Job.objects.filter(pk=refused.pk).update(failed_stage="check target")
        text = " ".join(self.page(refused).split())
        self.assertIn("Check target refused <span", text)
        self.assertNotIn("failed", text)

    def test_every_status_has_a_page(self) -> None:
        for status in JobStatus:
            with self.subTest(status):
                job = make_job(make_instance(f"of-{status}"), status)
                self.assertIn(f'class="badge status-{status}"', self.page(job))

    def test_the_page_costs_the_same_with_any_number_of_stages_and_lines(self) -> None:
        for size in (3, 40):
            with self.subTest(size):
                job = make_job(self.orders, JobStatus.SUCCEEDED)
                make_stages(job, size)
                add_lines(job, size)
                with self.assertNumQueries(12):
                    self.page(job)

    def test_only_operators_see_the_button(self) -> None:
        self.client.force_login(self.victor)
        self.assertNotIn("Cancel job", self.page(self.job))

    def test_cancel_is_requested_once(self) -> None:
        address = reverse("job-cancel", args=[self.job.pk])
        response = self.client.post(address, follow=True)
        self.assertContains(response, "Cancellation of the job was requested")
        self.assertContains(response, "Cancelling…")
        self.assertNotContains(response, "Cancel job")

    def test_a_job_that_has_ended_cannot_be_cancelled(self) -> None:
        ended = make_job(self.orders, JobStatus.SUCCEEDED)
        response = self.client.post(reverse("job-cancel", args=[ended.pk]), follow=True)
        self.assertContains(response, "had already ended")


def add_lines(job: Job, count: int) -> list[JobLogLine]:
    return JobLogLine.objects.bulk_create(
        JobLogLine(job=job, logged_at=T0, source="mooring", text=f"<line {n}>")
        for n in range(count)
    )


class JobLogTestCase(TestCase):
    victor: User
    job: Job
    ended: Job

    @classmethod
    def setUpTestData(cls) -> None:
        cls.victor = make_user("victor")
        cls.job = make_job(make_instance("orders-1"), JobStatus.RUNNING)
        cls.ended = make_job(make_instance("orders-2"), JobStatus.SUCCEEDED)

    def setUp(self) -> None:
        self.client.force_login(self.victor)
        self.address = reverse("job-log", args=[self.job.pk])

    def test_the_end_of_a_long_log_is_shown_and_the_rest_can_be_had(self) -> None:
        lines = add_lines(self.job, LINES_SHOWN + 1)
        window = newest_lines(self.job)
        self.assertEqual([line.pk for line in window.lines], [line.pk for line in lines[1:]])
        self.assertTrue(window.more_before)
        before = lines_before(self.job, lines[1].pk)
        self.assertEqual([line.pk for line in before.lines], [lines[0].pk])
        self.assertFalse(before.more_before)

    def test_a_log_that_just_fits_has_nothing_before(self) -> None:
        add_lines(self.job, LINES_SHOWN)
        self.assertFalse(newest_lines(self.job).more_before)

    def test_only_what_is_new_is_sent(self) -> None:
        first, second = add_lines(self.job, 2)
        response = self.client.get(self.address, {"after": first.pk})
        self.assertNotContains(response, "&lt;line 0&gt;")
        self.assertContains(response, "&lt;line 1&gt;")
        self.assertContains(response, f"?after={second.pk}")

    def test_an_ended_job_is_asked_until_nothing_new_comes(self) -> None:
        lines = add_lines(self.ended, 1)
        self.assertTrue(lines_after(self.ended, 0).open)
        self.assertFalse(lines_after(self.ended, lines[0].pk).open)

    def test_it_never_shows_lines_of_another_job(self) -> None:
        add_lines(self.ended, 1)
        self.assertEqual(lines_after(self.job, 0).lines, [])

    def test_a_number_that_is_none_is_not_found(self) -> None:
        for word in ("", "x", "-1", "1.5", "²", "9" * 19):
            with self.subTest(word):
                response = self.client.get(self.address, {"after": word})
                self.assertEqual(response.status_code, 404)
