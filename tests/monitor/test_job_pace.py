"""The pace of a running backup on its page: what it is, why, and who may change it."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.test import TestCase
from django.urls import reverse

from backups.models import Instance, Job, JobEvent, JobStage
from backups.states import JobStatus, Operation
from tests.monitor.rows import T0, make_instance, make_job, make_user

FORM = "Change the pace of this backup"


class JobPaceTestCase(TestCase):
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

    def page(self, job: Job | None = None) -> str:
        answer = self.client.get(reverse("job-detail", args=[(job or self.job).pk]))
        return " ".join(answer.content.decode().split())

    def set_pace(self, **given: str) -> str:
        answer = self.client.post(reverse("job-pace", args=[self.job.pk]), given, follow=True)
        self.job.refresh_from_db()
        return " ".join(answer.content.decode().split())

    def test_why_it_is_slow_is_said_with_figures(self) -> None:
        self.assertNotIn('class="pace', self.page())
        Job.objects.filter(pk=self.job.pk).update(
            pace_reason="latency", pace_detail="p99 38 ms, target 20 ms", pace_bytes_per_s=12 << 20
        )
        self.assertIn("<b>At most 12.0 MiB/s</b>: p99 38 ms, target 20 ms", self.page())

    def test_full_speed_by_the_guard_is_marked(self) -> None:
        Job.objects.filter(pk=self.job.pk).update(pace_reason="redo", pace_bytes_per_s=None)
        self.assertIn(
            '<p class="pace pace-warning"> <b>Full speed</b>: the redo log is nearly', self.page()
        )

    def test_a_limit_is_set_changed_and_lifted(self) -> None:
        self.assertIn("The pace was set: at most 20.0 MiB/s.", self.set_pace(limit="20M"))
        self.assertEqual(self.job.pace_limit, 20 << 20)
        event = JobEvent.objects.latest("id")
        self.assertEqual((event.actor, event.reason), ("olga", "pace set: at most 20.0 MiB/s"))
        self.assertIn('value="20M"', self.page())
        self.assertIn("Set by hand: full speed.", self.set_pace(limit="20M", choice="full"))
        self.assertEqual(self.job.pace_limit, 0)
        self.assertIn("as configured at schedule", self.set_pace(limit="", choice="none"))
        self.assertIsNone(self.job.pace_limit)

    def test_nonsense_is_refused_and_changes_nothing(self) -> None:
        self.assertIn("&#x27;fast&#x27; is not a rate. Write it as in", self.set_pace(limit="fast"))
        self.assertIsNone(self.job.pace_limit)

    def test_viewers_see_the_pace_and_no_form(self) -> None:
        self.client.force_login(self.victor)
        self.assertNotIn(FORM, self.page())
        self.client.post(reverse("job-pace", args=[self.job.pk]), {"limit": "1M"})
        self.job.refresh_from_db()
        self.assertIsNone(self.job.pace_limit)

    def test_only_a_backup_that_still_copies_has_a_form(self) -> None:
        self.assertIn(FORM, self.page())
        for job in (
            make_job(self.orders, JobStatus.SUCCEEDED),
            make_job(make_instance("a"), JobStatus.PENDING),
            make_job(make_instance("b"), JobStatus.RUNNING, Operation.VERIFY),
        ):
            self.assertNotIn(FORM, self.page(job))
        JobStage.objects.create(job=self.job, position=1, name="copy", started_at=T0, ended_at=T0)
        self.assertNotIn(FORM, self.page())
        self.assertIn("its copy has ended", self.set_pace(limit="1M"))
