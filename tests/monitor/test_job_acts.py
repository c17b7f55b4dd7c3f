from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.test import TestCase
from django.urls import reverse

from backups.models import Instance, Job, JobLogLine, JobSample, JobStage, Repository
from backups.models.job import LogLevel
from backups.states import JobStatus, Operation, StageStatus
from backups.transitions.jobs import JobOutcome, end
from monitor.selectors.job import load_job
from monitor.selectors.job_alike import load_similar_failures
from tests.monitor.rows import (
    GIB,
    T0,
    make_backup,
    make_instance,
    make_job,
    make_repository,
    make_user,
)


def td(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


class JobActsTestCase(TestCase):
    olga: User
    orders: Instance

    @classmethod
    def setUpTestData(cls) -> None:
        cls.olga = make_user("olga", "operator")
        cls.orders = make_instance("orders-1")

    def setUp(self) -> None:
        self.client.force_login(self.olga)

    def failed(self, instance: Instance, error: str) -> Job:
        job = make_job(instance, JobStatus.RUNNING)
        end(job, JobStatus.FAILED, now=T0, outcome=JobOutcome(error=error, failed_stage="copy"))
        return job

    def test_who_failed_the_same_way_is_shown(self) -> None:
        first = self.failed(self.orders, "no space: 3 GiB free")
        self.assertIsNone(load_similar_failures(first))
        self.failed(make_instance("orders-2"), "access denied")
        other = self.failed(make_instance("orders-3"), "no space: 9 GiB free")
        self.failed(self.orders, "no space: 1 GiB free")
        alike = load_similar_failures(first)
        assert alike is not None
        self.assertEqual((alike.words, alike.here), ("2 times, 1 on this instance", 1))
        page = self.client.get(reverse("job-detail", args=[other.pk]))
        self.assertContains(page, reverse("job-detail", args=[first.pk]))

    def test_a_backup_is_run_again_into_the_same_repositories(self) -> None:
        job = make_job(self.orders, JobStatus.FAILED)
        job.repositories.add(make_repository("a"))
        make_repository("b")
        self.client.post(reverse("job-again", args=[job.pk]))
        again = Job.objects.latest("id")
        self.assertEqual([repository.name for repository in again.repositories.all()], ["a"])
        self.assertEqual((again.requested_by, again.status), (self.olga, JobStatus.PENDING))

    def test_a_verify_is_run_again_as_it_was_requested(self) -> None:
        job = make_job(self.orders, JobStatus.FAILED, Operation.VERIFY)
        job.copy, job.parameters = make_backup(self.orders, make_repository()), {"pages": True}
        job.save()
        self.client.post(reverse("job-again", args=[job.pk]))
        again = Job.objects.latest("id")
        self.assertEqual((again.copy, again.parameters), (job.copy, {"pages": True}))

    def test_what_is_not_run_again_says_why(self) -> None:
        for operation, status in [
            (Operation.BACKUP, JobStatus.RUNNING),
            (Operation.PURGE, JobStatus.FAILED),
            (Operation.RESTORE, JobStatus.FAILED),
        ]:
            with self.subTest(operation):
                job = make_job(self.orders, status, operation)
                page = self.client.post(reverse("job-again", args=[job.pk]), follow=True)
                self.assertContains(page, "cannot be run again")
        self.assertEqual(Job.objects.count(), 3)

    def test_a_restore_with_a_server_program_is_never_handed_on(self) -> None:
        job = make_job(self.orders, JobStatus.FAILED, Operation.RESTORE)
        job.copy = make_backup(self.orders, make_repository())
        job.parameters = {"target": "/srv/r", "mysqld": "/home/ada/mysqld"}
        job.save()
        page = self.client.post(reverse("job-again", args=[job.pk]), follow=True)
        self.assertContains(page, "a restore is started under Restore")
        self.assertNotContains(page, "Run again")
        self.assertEqual(Job.objects.get(), job)

    def test_tables_that_were_left_out_are_left_out_again(self) -> None:
        Instance.objects.update(engine="clone", save_foreign_tables=True)
        self.orders.refresh_from_db()
        for asked in (False, True):
            with self.subTest(asked):
                Job.objects.all().delete()
                job = make_job(self.orders, JobStatus.FAILED)
                job.parameters = {"save_foreign_tables": asked}
                job.save()
                job.repositories.add(Repository.objects.first() or make_repository())
                self.client.post(reverse("job-again", args=[job.pk]))
                again = Job.objects.latest("id")
                self.assertEqual(again.parameters, {"save_foreign_tables": asked})
                self.assertNotEqual(again, job)

    def test_an_optimistic_backup_is_repeated_as_one(self) -> None:
        job = make_job(self.orders, JobStatus.FAILED)
        job.parameters = {"optimistic": True, "optimistic_seconds": 60}
        job.save()
        job.repositories.add(Repository.objects.first() or make_repository())
        self.client.post(reverse("job-again", args=[job.pk]))
        again = Job.objects.latest("id")
        self.assertEqual(again.parameters, job.parameters)
        self.assertNotEqual(again, job)

    def test_a_job_whose_row_cannot_be_read_has_its_page_and_is_not_repeated(self) -> None:
        job = make_job(self.orders, JobStatus.FAILED, Operation.VERIFY)
        job.copy, job.parameters = make_backup(self.orders, make_repository()), {"page": True}
        job.save()
        self.assertEqual(self.client.get(reverse("job-detail", args=[job.pk])).status_code, 200)
        page = self.client.post(reverse("job-again", args=[job.pk]), follow=True)
        self.assertContains(page, "cannot be read: unknown key page")
        self.assertEqual(Job.objects.get(), job)

    def test_the_log_is_searched_by_level_and_word(self) -> None:
        job = make_job(self.orders, JobStatus.SUCCEEDED)
        for level in LogLevel:
            JobLogLine.objects.create(
                job=job, logged_at=T0, source="x", level=level, text=f"said as {level}"
            )
        address = reverse("job-detail", args=[job.pk])
        for query, shown in [
            ({}, {"info", "warning", "error"}),
            ({"level": "warning"}, {"warning", "error"}),
            ({"level": "error"}, {"error"}),
            ({"level": "nonsense"}, {"info", "warning", "error"}),
            ({"q": "AS INFO"}, {"info"}),
        ]:
            with self.subTest(query):
                text = self.client.get(address, query).content.decode()
                found = {level for level in LogLevel.values if f"said as {level}" in text}
                self.assertEqual(found, shown)

    def test_the_rate_is_drawn_once_there_is_a_course(self) -> None:
        job = make_job(self.orders, JobStatus.SUCCEEDED)
        for count, drawn in ((2, False), (3, True)):
            JobSample.objects.all().delete()
            for n in range(count):
                JobSample.objects.create(
                    job=job, sampled_at=T0 + td(5 * n), bytes_done=n, rate_bytes_per_s=GIB
                )
            text = self.client.get(reverse("job-detail", args=[job.pk])).content.decode()
            self.assertEqual("Rate over time" in text, drawn)

    def test_the_course_of_a_running_job_is_loaded_again(self) -> None:
        job = make_job(self.orders, JobStatus.RUNNING)
        for status, again in ((JobStatus.RUNNING, True), (JobStatus.SUCCEEDED, False)):
            Job.objects.filter(pk=job.pk).update(status=status)
            for name in ("job-detail", "job-rate"):
                with self.subTest(f"{name} {status}"):
                    text = self.client.get(reverse(name, args=[job.pk])).content.decode()
                    self.assertEqual(reverse("job-rate", args=[job.pk]) in text, again)
                    self.assertEqual("The chart appears after" in text, again)

    def test_what_is_left_is_known_from_bytes_and_from_the_run_before(self) -> None:
        before, job = (
            make_job(self.orders, JobStatus.SUCCEEDED),
            make_job(self.orders, JobStatus.RUNNING),
        )
        for each, position, name, status, length in [
            (before, 1, "copy", StageStatus.SUCCEEDED, 60),
            (before, 2, "register", StageStatus.SUCCEEDED, 7),
            (job, 1, "copy", StageStatus.RUNNING, None),
            (job, 2, "register", StageStatus.PENDING, None),
        ]:
            JobStage.objects.create(
                job=each, position=position, name=name, status=status,
                started_at=None if status == StageStatus.PENDING else T0,
                ended_at=T0 + td(length) if length else None,
                bytes_done=GIB, bytes_total=4 * GIB,
            )  # fmt: skip
        view = load_job(job, T0 + td(10))
        self.assertEqual([row.left for row in view.stages], [td(3), td(7)])
        self.assertEqual(view.time_left, td(10))
