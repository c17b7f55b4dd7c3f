"""What do pages show of a backup that is not in every repository it was to go to?"""

from __future__ import annotations

from django.contrib.auth.models import User
from django.test import TestCase
from django.urls import reverse
from django.utils.timezone import now

from backups.health.protection_rows import judge_due
from backups.models import (
    Activity,
    Backup,
    BackupSchedule,
    InstanceProtection,
    Job,
    Occurrence,
    WantedCopy,
)
from backups.models.wanted_copy import WantCause
from backups.protection import Level
from backups.states import JobStatus, OccurrenceStatus, Operation
from backups.transitions.wanted_copies import want_copy
from monitor.wording.occurrences import occurrence_word
from tests.monitor.rows import make_backup, make_instance, make_job, make_repository, make_user

PROBLEM = "copy in offsite failed: the disk is full"


class MissingCopiesTestCase(TestCase):
    olga: User
    wanted: WantedCopy
    job: Job
    page: str

    @classmethod
    def setUpTestData(cls) -> None:
        cls.olga = make_user("olga", "operator")
        orders = make_instance("orders-1")
        backup = make_backup(orders, make_repository()).backup
        cls.job = make_job(orders, JobStatus.SUCCEEDED)
        Job.objects.update(problems=PROBLEM, requested_at=now())
        cls.job.refresh_from_db()
        Backup.objects.update(made_by=cls.job)
        cls.wanted = want_copy(
            backup, make_repository("offsite"), WantCause.FAILED, error="the disk is full",
            hint="Free space.", job=cls.job,
        )  # fmt: skip
        cls.page = reverse("backup-detail", args=[backup.label])

    def setUp(self) -> None:
        self.client.force_login(self.olga)

    def test_every_page_that_shows_the_job_says_so(self) -> None:
        for address in [
            reverse("job-detail", args=[self.job.pk]),
            reverse("instance-detail", args=["orders-1"]),
            reverse("calendar-day", args=["orders-1", now().date().isoformat()]),
        ]:
            with self.subTest(address):
                page = self.client.get(address)
                self.assertContains(page, "succeeded with problems")
                self.assertContains(page, PROBLEM)

    def test_the_pages_of_backup_and_instance_say_what_is_missing(self) -> None:
        page = self.client.get(self.page)
        self.assertContains(page, "Copy in offsite failed: the disk is full")
        self.assertContains(page, "Free space.")
        page = self.client.get(reverse("instance-detail", args=["orders-1"]))
        self.assertContains(page, f"1 backup lacks a copy: {PROBLEM}")
        self.assertContains(page, "no copy in offsite")

    def test_the_instance_is_at_risk_until_the_copy_is_given_up(self) -> None:
        BackupSchedule.objects.create(name="nightly", cron="0 2 * * *", covers_all=True)
        judge_due(now())
        row = InstanceProtection.objects.get()
        self.assertIn("1 backup without a copy in offsite", row.reasons)
        self.assertNotEqual(row.level, Level.PROTECTED)
        address = reverse("missing-copy-give-up", args=[self.wanted.backup.label, self.wanted.pk])
        page = self.client.post(address, {"reason": " "}, follow=True)
        self.assertContains(page, "o reason is given")
        page = self.client.post(address, {"reason": "the site is closed"}, follow=True)
        self.assertContains(page, "A copy in offsite is no longer wanted: the site is closed")
        self.assertNotContains(page, "the disk is full")
        self.assertEqual(Activity.objects.latest("id").details["reason"], "the site is closed")
        judge_due(now())
        self.assertNotIn("offsite", InstanceProtection.objects.get().reasons)
        page = self.client.get(reverse("job-detail", args=[self.job.pk]))
        self.assertContains(page, "or are no longer wanted")
        page = self.client.post(address, {"reason": "again"}, follow=True)
        self.assertContains(page, "or given up before")

    def test_a_copy_is_requested_on_the_page(self) -> None:
        make_repository("third")
        page = self.client.get(self.page)
        self.assertContains(page, 'value="offsite"')
        self.assertContains(page, "<option>third</option>")
        address = reverse("backup-copy", args=[self.wanted.backup.label])
        page = self.client.post(address, {"to": "offsite"}, follow=True)
        job = Job.objects.get(operation=Operation.COPY)
        self.assertRedirects(page, reverse("job-detail", args=[job.pk]))
        self.assertContains(page, "To repository")
        self.assertEqual({row.name for row in job.repositories.all()}, {"main", "offsite"})
        page = self.client.post(address, {"to": "offsite"}, follow=True)
        self.assertContains(page, "to offsite already")

    def test_the_planned_run_is_not_done(self) -> None:
        run = Occurrence(status=OccurrenceStatus.SUCCEEDED, job=self.job)
        self.assertEqual(occurrence_word(run), "problems")
