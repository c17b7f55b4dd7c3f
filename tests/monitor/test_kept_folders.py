"""A kept folder is on the pages of its job and of restores; operators continue or remove it."""

from __future__ import annotations

from django.test import TestCase
from django.urls import reverse

from backups.models import Job, KeptRestore
from backups.states import JobStatus, Operation
from tests.monitor.rows import T0, make_backup, make_instance, make_job, make_repository, make_user

FOLDER = "/srv/restored/orders-1"


class KeptFoldersTestCase(TestCase):
    def setUp(self) -> None:
        orders = make_instance("orders-1")
        copy = make_backup(orders, make_repository())
        self.job = make_job(orders, JobStatus.FAILED, Operation.RESTORE)
        self.job.copy, self.job.backup = copy, copy.backup
        self.job.parameters = {"target": FOLDER, "until_gtid": "0-1-9"}
        self.job.save()
        self.kept = KeptRestore.objects.create(
            job=self.job,
            mark=self.job.pk,
            host="db9",
            target=FOLDER,
            boot_id="1",
            account="mooring-1",
            next_file="b.000003",
            next_position=4711,
            next_gtid="0-1-7",
            next_commit_at=T0,
            transactions=1234,
            bytes=3 * 1024**3,
        )
        self.client.force_login(make_user("olga", "operator"))
        self.page = reverse("job-detail", args=[self.job.pk])
        self.ask = reverse("kept-continue", args=[self.job.pk])
        self.remove = reverse("kept-remove", args=[self.job.pk])

    def test_the_job_says_where_it_stopped(self) -> None:
        page = self.client.get(self.page)
        for text in (FOLDER, "db9", "1,234 transactions are applied", "0-1-7 at b.000003:4711",
                     "3.0 GiB", self.ask, self.remove):  # fmt: skip
            self.assertContains(page, text)
        self.assertContains(self.client.get(reverse("restore-wizard")), FOLDER)
        self.assertContains(self.client.get(self.ask), "0-1-7 at b.000003:4711")

    def test_viewers_see_it_and_change_nothing(self) -> None:
        self.client.force_login(make_user("vera", "viewer"))
        self.assertNotContains(self.client.get(self.page), self.ask)
        self.assertEqual(self.client.post(self.ask, {}).status_code, 403)
        self.assertEqual(self.client.post(self.remove, {"confirm_name": FOLDER}).status_code, 403)

    def test_a_job_goes_on_with_it(self) -> None:
        response = self.client.post(self.ask, {"skip_gtids": "0-1-7"})
        new = Job.objects.exclude(pk=self.job.pk).get()
        self.assertRedirects(response, reverse("job-detail", args=[new.pk]))
        asked = {"until_gtid": "0-1-9", "skip_gtids": "0-1-7", "continues": self.job.pk}
        self.assertEqual({name: new.parameters.get(name) for name in asked}, asked)
        page = self.client.get(self.page)
        self.assertContains(page, f"Job {new.pk}")
        self.assertNotContains(page, self.ask)
        self.assertContains(self.client.post(self.ask, {}), "works on")

    def test_another_place_is_checked(self) -> None:
        page = self.client.post(self.ask, {"until": "yesterday"})
        self.assertContains(page, "is no moment", status_code=422)
        self.client.post(self.ask, {"before_gtid": "0-1-8"})
        new = Job.objects.exclude(pk=self.job.pk).get()
        self.assertEqual(new.parameters["before_gtid"], "0-1-8")
        self.assertNotIn("until_gtid", new.parameters)

    def test_a_program_of_an_admin_is_run_for_no_one_else(self) -> None:
        Job.objects.filter(pk=self.job.pk).update(
            parameters={**self.job.parameters, "mysqld": "/opt/mysqld"}
        )
        self.assertContains(self.client.post(self.ask, {}), "an admin chose")
        self.assertEqual(Job.objects.count(), 1)

    def test_it_is_removed_by_its_name_only(self) -> None:
        self.client.post(self.remove, {"confirm_name": "/srv"})
        self.assertTrue(KeptRestore.objects.exists())
        self.client.post(self.remove, {"confirm_name": FOLDER})
        self.assertFalse(KeptRestore.objects.exists())
        response = self.client.get(self.ask, follow=True)
        self.assertContains(response, "has no folder that is kept")
