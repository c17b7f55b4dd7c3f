"""The pages of what is marked for deletion: who sees it, who undoes it, what it costs."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now

from backups.models import Activity, Approval, Backup, BackupCopy, Deletion, Job, Repository
from backups.models.activity import Verb
from backups.parameters import PurgeParameters
from backups.retention.second_admin import request_purge
from backups.states import DeletionStatus, Operation
from tests.monitor.rows import make_backup, make_instance, make_repository, make_user

DAY = timedelta(days=1)
REMAINS = {
    "at": "2026-03-02T01:00:00+00:00",
    "restorable": 1,
    "found": [
        {
            "label": "orders-1@newer",
            "repository": "main",
            "ended_at": "2026-03-02T00:30:00+00:00",
            "proof": "verify passed 2026-03-02 00:45Z",
        }
    ],
    "missing": "",
}


def mark(copy: BackupCopy, **values: object) -> Deletion:
    return Deletion.objects.create(
        **{
            "copy": copy,
            "reason": "it is old",
            "requested_by": "schedule nightly",
            "due_at": now() + 2 * DAY,
            "remains_marked": REMAINS,
            **values,
        }
    )


class DeletionPagesTestCase(TestCase):
    olga: User
    ada: User
    vera: User
    copy: BackupCopy
    label: str

    @classmethod
    def setUpTestData(cls) -> None:
        cls.olga, cls.ada = make_user("olga", "operator"), make_user("ada", "admin")
        cls.vera = make_user("vera", "viewer")
        cls.copy = make_backup(make_instance("orders-1"), make_repository())
        cls.label = cls.copy.backup.label

    def setUp(self) -> None:
        self.client.force_login(self.olga)

    def test_the_restore_wizard_says_until_when_and_offers_to_keep_it(self) -> None:
        mark(self.copy)
        choice = self.client.get(reverse("restore-wizard"), {"instance": "orders-1"})
        self.assertContains(choice, "marked for deletion")
        address = f"{reverse('restore-wizard')}?copy={self.copy.pk}"
        page = self.client.get(address)
        self.assertContains(page, "unless it is undone")
        self.assertContains(page, f'<input type="hidden" name="next" value="{address}">', html=True)
        keep = reverse("copy-keep", args=[self.label, self.copy.pk])
        self.assertContains(page, keep)
        self.assertRedirects(self.client.post(keep, {"next": address}), address)
        self.assertNotContains(self.client.get(address), "marked for deletion")

    def test_without_any_the_page_says_what_would_be_there(self) -> None:
        page = self.client.get(reverse("deletions"))
        self.assertContains(page, "Nothing is marked for deletion")

    def test_a_mark_is_shown_on_every_page_of_its_copy(self) -> None:
        mark(self.copy)
        for page in (
            reverse("deletions"),
            reverse("backup-detail", args=[self.label]),
            reverse("repository-detail", args=["main"]),
            reverse("instance-detail", args=["orders-1"]),
        ):
            with self.subTest(page):
                answer = self.client.get(page)
                self.assertContains(answer, 'class="badge status-marked" data-tone="warn">')
        listed = self.client.get(reverse("deletions"))
        self.assertContains(listed, "1 restorable backup remains; found whole at 2026-03-02 01:00Z")
        self.assertContains(listed, "orders-1@newer in main, of 2026-03-02 00:30Z, verify passed")

    def test_what_is_recoverable_from_is_not_about_to_be_deleted(self) -> None:
        address = reverse("instance-detail", args=["orders-1"])
        self.assertEqual(
            self.client.get(address).context["history"].recoverable.backup, self.copy.backup
        )
        mark(self.copy)
        self.assertIsNone(self.client.get(address).context["history"].recoverable)

    def test_one_click_undoes_it_and_leads_back(self) -> None:
        deletion = mark(self.copy)
        address = reverse("copy-keep", args=[self.label, self.copy.pk])
        for page in (reverse("deletions"), reverse("backup-detail", args=[self.label])):
            self.assertContains(self.client.get(page), address)
        answer = self.client.post(address, {"next": "/deletions/?status=marked"}, follow=True)
        self.assertRedirects(answer, "/deletions/?status=marked")
        self.assertContains(answer, "is undone. It is held until")
        deletion.refresh_from_db()
        self.assertEqual((deletion.status, deletion.ended_by), (DeletionStatus.KEPT, "olga"))
        self.assertTrue(Backup.objects.get().held(now()))
        answer = self.client.post(address, follow=True)
        self.assertRedirects(answer, reverse("backup-detail", args=[self.label]))
        self.assertContains(answer, "is not marked for deletion in main")

    def test_a_viewer_sees_it_and_undoes_nothing(self) -> None:
        mark(self.copy)
        self.client.force_login(self.vera)
        address = reverse("copy-keep", args=[self.label, self.copy.pk])
        self.assertNotContains(self.client.get(reverse("deletions")), address)
        self.assertEqual(self.client.post(address).status_code, 403)

    def test_filters_and_what_was_deleted(self) -> None:
        mark(
            self.copy,
            status=DeletionStatus.DELETED,
            hastened_by="ada",
            hastened_reason="the disk is full",
            remains_deleted={**REMAINS, "restorable": 0, "found": []},
        )
        page = self.client.get(reverse("deletions"), {"repository": "main"})
        self.assertContains(page, "at once by ada: the disk is full")
        self.assertContains(page, "when deleted: nothing restorable remains")
        for filters in ({"status": "marked"}, {"instance": "nobody"}, {"repository": "x" * 500}):
            with self.subTest(filters):
                answer = self.client.get(reverse("deletions"), filters)
                self.assertContains(answer, "No matching deletion")

    def test_the_list_costs_the_same_for_one_and_for_many(self) -> None:
        costs = []
        for count in (1, 12):
            while Deletion.objects.count() < count:
                age = timedelta(hours=Deletion.objects.count() + 1)
                mark(make_backup(self.copy.backup.instance, self.copy.repository, age=age))
            with CaptureQueriesContext(connection) as queries:
                self.client.get(reverse("deletions"))
            costs.append(len(queries))
        self.assertEqual(costs[0], costs[1])

    def test_only_an_admin_purges_at_once_and_says_why(self) -> None:
        address = reverse("copy-purge", args=[self.label, self.copy.pk])
        asked = {"confirm_name": self.label, "at_once": "on", "reason": "the disk is full"}
        page = reverse("backup-detail", args=[self.label])
        for user, at_once in ((self.olga, False), (self.ada, True)):
            with self.subTest(user.username):
                self.client.force_login(user)
                shown = 'name="at_once"' in self.client.get(page).content.decode()
                self.client.post(address, asked)
                job = Job.objects.filter(operation=Operation.PURGE).latest("id")
                self.assertEqual((shown, job.parameters["at_once"]), (at_once, at_once))
                self.assertEqual(job.parameters["reason"], "the disk is full")
        jobs = Job.objects.count()
        answer = self.client.post(address, {**asked, "reason": " "}, follow=True)
        self.assertContains(answer, "enter a reason to purge it at once")
        self.assertEqual(Job.objects.count(), jobs)


class SecondAdminPagesTestCase(TestCase):
    ada: User
    adam: User
    copy: BackupCopy
    label: str

    @classmethod
    def setUpTestData(cls) -> None:
        cls.ada, cls.adam = make_user("ada", "admin"), make_user("adam", "admin")
        cls.copy = make_backup(make_instance("orders-1"), make_repository())
        cls.label = cls.copy.backup.label
        Repository.objects.update(two_admins=True)

    def test_a_purge_at_once_waits_for_another_admin(self) -> None:
        self.client.force_login(self.ada)
        address = reverse("copy-purge", args=[self.label, self.copy.pk])
        asked = {"confirm_name": self.label, "at_once": "on", "reason": "the disk is full"}
        page = self.client.post(address, asked, follow=True)
        self.assertContains(page, "another admin must confirm it within 24 hours")
        self.assertContains(page, "Purge at once; it is the last restorable backup")
        self.assertNotContains(page, 'name="confirm"')
        decide = reverse("approval-decide", args=[Approval.objects.get().pk])
        answer = self.client.post(decide, {"confirm": "yes"}, follow=True)
        self.assertContains(answer, "Who requested it cannot confirm it")
        self.assertFalse(Job.objects.exists())
        self.client.force_login(make_user("olga", "operator"))
        self.assertNotContains(self.client.get(reverse("deletions")), decide)
        self.assertEqual(self.client.post(decide, {"confirm": "yes"}).status_code, 403)
        self.client.force_login(self.adam)
        self.assertContains(self.client.get(reverse("deletions")), decide)
        answer = self.client.post(decide, {"confirm": "yes"})
        job = Job.objects.get()
        self.assertRedirects(answer, reverse("job-detail", args=[job.pk]))
        self.assertEqual(job.parameters["approval"], Approval.objects.get().pk)

    def test_one_can_be_rejected_and_is_decided_once(self) -> None:
        approval = request_purge(self.copy, PurgeParameters("a test", force=True), self.ada, now())
        self.client.force_login(self.adam)
        decide = reverse("approval-decide", args=[approval.pk])
        self.assertContains(self.client.post(decide, {"reject": "yes"}, follow=True), "Rejected:")
        answer = self.client.post(decide, {"confirm": "yes"}, follow=True)
        self.assertContains(answer, "The request is rejected")
        self.assertFalse(Job.objects.exists())

    def test_a_form_saves_nothing_weaker_by_itself(self) -> None:
        self.client.force_login(self.ada)
        address = reverse("setting-repository-edit", args=["main"])
        form = self.client.get(address).context["form"]
        values = {name: form[name].value() for name in form.fields}
        sent = {
            name: value
            for name, value in values.items()
            if value is not None and value is not False
        }
        sent |= {"purge_delay": "1h", "max_jobs": "3"}
        del sent["two_admins"]
        answer = self.client.post(address, sent, follow=True)
        self.assertContains(answer, "Another admin must confirm the rest")
        row = Repository.objects.get()
        self.assertEqual((row.purge_delay, row.two_admins, row.max_jobs), (3 * DAY, True, 3))
        approval = Approval.objects.get()
        self.assertEqual(approval.asked, {"purge_delay_seconds": 3600.0, "two_admins": False})
        changed = Activity.objects.get(verb=Verb.CHANGED)
        self.assertEqual(changed.details["fields"], ["Max concurrent jobs"])
        # A longer delay needs nobody else.
        self.client.post(address, {**sent, "purge_delay": "5d", "two_admins": "on"})
        self.assertEqual(Repository.objects.get().purge_delay, 5 * DAY)
