"""What pages say about retention, and what a form shows before a changed policy is saved."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now

from backups.models import (
    Backup,
    BackupCopy,
    BackupSchedule,
    Instance,
    Job,
    Occurrence,
    Repository,
)
from backups.states import JobStatus, Operation
from tests.backups.planning import make_schedule
from tests.markup import one_line
from tests.monitor.forms.test_schedule import typed
from tests.monitor.rows import (
    RETENTION_TYPED,
    make_backup,
    make_evidence,
    make_instance,
    make_job,
    make_repository,
    make_user,
)

DAY = timedelta(days=1)


class RetentionPagesTestCase(TestCase):
    orders: Instance
    main: Repository
    nightly: BackupSchedule

    @classmethod
    def setUpTestData(cls) -> None:
        cls.orders, cls.main = make_instance("orders-1"), make_repository()
        cls.nightly = make_schedule(cls.orders, keep_for=60 * DAY, keep_least=1)

    def setUp(self) -> None:
        self.client.force_login(make_user("ada", "admin"))

    def taken(self, days_ago: int, *, planned: bool = True) -> BackupCopy:
        copy = make_backup(self.orders, self.main)
        at = now() - days_ago * DAY
        label = f"orders-1@{at:%Y%m%dT%H%M%S}Z-F"
        row = Backup.objects.filter(pk=copy.backup_id)
        row.update(ended_at=at, started_at=at, label=label)
        if planned:
            job = make_job(self.orders, JobStatus.SUCCEEDED)
            occurrence = Occurrence.objects.create(
                schedule=self.nightly, instance=self.orders, due_at=at, starts_at=at,
                late_after=at, missed_after=at, status="succeeded", job=job,
            )  # fmt: skip
            Job.objects.filter(pk=job.pk).update(occurrence=occurrence)
            row.update(made_by=job)
        copy.refresh_from_db()
        return copy

    def test_a_backup_says_why_and_until_when_it_is_kept(self) -> None:
        newest, older = self.taken(1), self.taken(10)
        old, oldest = self.taken(70), self.taken(80)
        pages = {
            copy.pk: self.client.get(reverse("backup-detail", args=[copy.backup.label]))
            for copy in (newest, older, old, oldest)
        }
        self.assertContains(pages[older.pk], "Kept because: in the recovery window of 60 d.")
        self.assertContains(pages[older.pk], "Expires <time")
        self.assertContains(pages[newest.pk], "the newest")
        self.assertContains(pages[oldest.pk], "kept for now")
        self.assertContains(pages[oldest.pk], "no backup of the instance is proven restorable")
        make_evidence(newest, Operation.VERIFY, passed=True)
        page = self.client.get(reverse("backup-detail", args=[oldest.backup.label]))
        self.assertIn("It is marked for deletion within the", one_line(page.content.decode()))
        Repository.objects.update(purge_delay=timedelta(0))
        page = self.client.get(reverse("backup-detail", args=[oldest.backup.label]))
        self.assertIn("It is purged within the", one_line(page.content.decode()))
        shown = self.client.get(reverse("instance-detail", args=["orders-1"]))
        self.assertContains(shown, 'class="minor retention"', count=4)
        self.assertContains(shown, "expires <time")

    def test_the_schedule_form_shows_what_would_go_before_it_is_saved(self) -> None:
        for age in (1, 10, 20, 30):
            copy = self.taken(age)
        make_evidence(copy, Operation.VERIFY, passed=True)
        values = typed(keep_for="60d", keep_least="1", being_edited="nightly")
        preview = self.client.post(reverse("schedule-preview"), values)
        self.assertContains(preview, "None of 4 copies would be purged.")
        shorter = {**values, "keep_for": "5d"}
        preview = self.client.post(reverse("schedule-preview"), shorter)
        # The proven one stays, though it is the oldest.
        self.assertContains(preview, "<b>1 of 4 copies</b> would be purged")
        self.assertContains(preview, "20")
        address = reverse("schedule-edit", args=["nightly"])
        answer = self.client.post(address, shorter)
        self.assertContains(answer, "Nothing was saved yet.", status_code=422)
        self.assertEqual(BackupSchedule.objects.get().keep_for, 60 * DAY)
        seen = answer.context["what_if"].seen
        other = self.client.post(address, {**shorter, "confirm_retention": "7:7"})
        self.assertEqual(other.status_code, 422)
        self.client.post(address, {**shorter, "confirm_retention": seen})
        self.assertEqual(BackupSchedule.objects.get().keep_for, 5 * DAY)

    def test_a_repository_confirms_what_it_would_delete_of_what_no_schedule_took(self) -> None:
        make_evidence(self.taken(1, planned=False), Operation.VERIFY, passed=True)
        for age in (20, 30):
            self.taken(age, planned=False)
        address = reverse("setting-repository-edit", args=["main"])
        values = {
            "name": "main", "kind": "directory", "path": self.main.path, "enabled": "on",
            "encrypted": "on", **RETENTION_TYPED, "keep_daily": "2", "keep_least": "1",
        }  # fmt: skip
        answer = self.client.post(address, values)
        self.assertContains(answer, "Saving expires 1", status_code=422)
        seen = answer.context["what_if"].seen
        self.client.post(address, {**values, "confirm_retention": seen})
        self.assertEqual(Repository.objects.get().keep_daily, 2)

    def test_pages_cost_the_same_with_any_number_of_backups(self) -> None:
        pages = ["schedule-edit", "instance-detail", "backup-detail", "repository-detail", "expiry"]
        costs: list[list[int]] = []
        for more in (3, 30):
            for age in range(more):
                copy = self.taken(100 + more * 10 + age)
                make_evidence(copy, Operation.VERIFY, passed=True)
            names = ["nightly", "orders-1", copy.backup.label, "main"]
            costs.append([])
            for page, name in zip(pages, [*names, None], strict=True):
                with CaptureQueriesContext(connection) as queries:
                    self.client.get(reverse(page, args=[name] if name else []))
                costs[-1].append(len(queries))
        self.assertEqual(*costs)

    def test_a_repository_shows_who_uses_it_and_how_fast_it_grows(self) -> None:
        self.taken(1)
        self.taken(40)
        page = self.client.get(reverse("repository-detail", args=["main"]))
        usage = page.context["view"].usage
        self.assertEqual([(row.instance, row.copies) for row in usage], [("orders-1", 2)])
        self.assertEqual(usage[0].written_bytes * 2, usage[0].stored_bytes)
        listed = self.client.get(reverse("repositories")).context["overviews"][0]
        self.assertEqual(listed.grown_bytes, usage[0].written_bytes)
