from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.test import TestCase
from django.urls import reverse

from backups.models import Activity, Backup, BackupCopy, Job
from backups.models.activity import Verb
from backups.states import Operation
from monitor.wording.restore_by_hand import steps_by_hand
from tests.monitor.rows import (
    make_backup,
    make_evidence,
    make_instance,
    make_repository,
    make_user,
    record_tables,
)


class BackupActsTestCase(TestCase):
    olga: User
    copy: BackupCopy
    label: str

    @classmethod
    def setUpTestData(cls) -> None:
        cls.olga = make_user("olga", "operator")
        cls.copy = make_backup(make_instance("orders-1"), make_repository())
        cls.label = cls.copy.backup.label

    def setUp(self) -> None:
        self.client.force_login(self.olga)

    def test_a_pin_needs_a_reason_and_leaves_a_trace(self) -> None:
        address = reverse("backup-pin", args=[self.label])
        self.client.post(address, {"reason": "  "})
        self.assertFalse(Backup.objects.get().pinned)
        self.client.post(address, {"reason": "before the migration"})
        backup = Backup.objects.get()
        self.assertEqual((backup.pinned, backup.pinned_reason), (True, "before the migration"))
        self.client.post(address, {"unpin": "yes"})
        backup.refresh_from_db()
        self.assertEqual((backup.pinned, backup.pinned_reason), (False, ""))
        verbs = Activity.objects.order_by("id").values_list("verb", flat=True)
        self.assertEqual(list(verbs)[-2:], [Verb.PINNED, Verb.UNPINNED])

    def test_a_changed_copy_says_so_and_how_it_is_accepted(self) -> None:
        page = reverse("backup-detail", args=[self.label])
        self.assertNotContains(self.client.get(page), "acceptcopy")
        BackupCopy.objects.update(fault="changed", fault_detail="its digest is another")
        answer = self.client.get(page)
        self.assertContains(answer, "Changed: its digest is another")
        self.assertContains(answer, "acceptcopy")

    def test_evidence_of_other_bytes_is_marked_and_not_counted(self) -> None:
        make_evidence(self.copy, Operation.VERIFY, passed=True)
        pages = [
            reverse("backup-detail", args=[self.label]),
            reverse("repository-detail", args=[self.copy.repository.name]),
        ]
        for digest, marked, verified in (("", False, 1), ("another", True, 0)):
            BackupCopy.objects.update(manifest_digest=digest)
            backup, repository = (self.client.get(page) for page in pages)
            self.assertEqual("does not count" in backup.content.decode(), marked)
            proven = repository.context["view"].overview.proven
            self.assertEqual(proven.verified, verified)

    def test_only_a_backup_that_needs_another_can_be_consolidated(self) -> None:
        page = reverse("backup-detail", args=[self.label])
        address = reverse("copy-consolidate", args=[self.label, self.copy.pk])
        self.assertNotContains(self.client.get(page), "Consolidate")
        answer = self.client.post(address, follow=True)
        self.assertContains(answer, "is a full backup: it needs no other")
        later = -timedelta(hours=1)
        link = make_backup(self.copy.backup.instance, self.copy.repository, age=later)
        Backup.objects.filter(pk=link.backup.pk).update(kind="incremental", base=self.copy.backup)
        page = reverse("backup-detail", args=[link.backup.label])
        address = reverse("copy-consolidate", args=[link.backup.label, link.pk])
        self.assertContains(self.client.get(page), address)
        self.client.force_login(make_user("vera", "viewer"))
        self.assertNotContains(self.client.get(page), address)
        self.assertEqual(self.client.post(address).status_code, 403)
        self.client.force_login(self.olga)
        self.assertEqual(self.client.get(address).status_code, 405)
        answer = self.client.post(address)
        job = Job.objects.get(operation=Operation.CONSOLIDATE)
        self.assertRedirects(answer, reverse("job-detail", args=[job.pk]))
        self.assertEqual((job.backup, job.requested_by), (link.backup, self.olga))
        requested = Activity.objects.get(verb=Verb.REQUESTED)
        self.assertEqual(requested.details["backup"], link.backup.label)
        self.assertContains(self.client.get(reverse("job-detail", args=[job.pk])), "Consolidation")

    def test_one_that_was_made_of_a_chain_says_so(self) -> None:
        Backup.objects.update(consolidated_from="orders-1@20261122T152834Z-I")
        page = self.client.get(reverse("backup-detail", args=[self.label]))
        self.assertContains(page, "Consolidated from orders-1@20261122T152834Z-I")

    def test_a_purge_needs_the_label_typed(self) -> None:
        address = reverse("copy-purge", args=[self.label, self.copy.pk])
        for typed, jobs in (("", 0), (self.label[:-1], 0), (self.label, 1)):
            with self.subTest(typed):
                self.client.post(address, {"confirm_name": typed})
                self.assertEqual(Job.objects.filter(operation=Operation.PURGE).count(), jobs)
        self.assertEqual(Job.objects.get().parameters["force"], False)

    def test_only_an_admin_may_give_up_the_last_restorable_backup(self) -> None:
        address = reverse("copy-purge", args=[self.label, self.copy.pk])
        page = reverse("backup-detail", args=[self.label])
        for user, forced in ((self.olga, False), (make_user("ada", "admin"), True)):
            with self.subTest(user.username):
                Job.objects.all().delete()
                self.client.force_login(user)
                shown = 'name="force"' in self.client.get(page).content.decode()
                self.client.post(address, {"confirm_name": self.label, "force": "on"})
                self.assertEqual((shown, Job.objects.get().parameters["force"]), (forced, forced))

    def test_the_way_by_hand_names_the_repository_the_label_and_the_key(self) -> None:
        page = self.client.get(reverse("backup-detail", args=[self.label]))
        extract = steps_by_hand(self.copy)[0]
        self.assertIn(
            f"extract_backup.py /srv/main --label {self.label} --key-file", extract.command
        )
        self.assertContains(page, "must hold the key k1")
        self.assertContains(page, "mariadb-backup --defaults-file=")

    def test_links_to_the_originals_go_before_prepare(self) -> None:
        titles = [step.title for step in steps_by_hand(self.copy)]
        self.assertEqual(
            titles[1:4],
            [
                "Remove links to the original files, and option files",
                "Keep the options of the file format",
                "Prepare",
            ],
        )

    def test_a_clone_is_not_prepared(self) -> None:
        self.copy.backup.engine, self.copy.backup.server_version = "clone", "8.4.6"
        titles = [step.title for step in steps_by_hand(self.copy)]
        self.assertEqual(
            titles,
            ["Extract", "Change the owner", "Start an isolated server", "Check the contents"],
        )

    def test_only_an_encrypted_clone_needs_a_keyring(self) -> None:
        self.copy.backup.engine = "clone"
        for keyring, needed in (("", False), ("mooring-keyring/keys", True)):
            with self.subTest(keyring):
                self.copy.backup.facts = {"keyring_file": keyring}
                titles = [step.title for step in steps_by_hand(self.copy)]
                self.assertEqual("Provide the keyring" in titles, needed)

    def test_contents_are_searched_and_paged(self) -> None:
        files = {f"shop/t{n:03}.ibd": n + 1 for n in range(101)} | {"other/a.ibd": 1}
        record_tables(self.copy, files)
        address = reverse("backup-contents", args=[self.label])
        for query, there, missing in [
            ({}, "t100", ">a<"),
            ({"page": "2"}, ">t000<", "t100"),
            ({"q": "T05"}, "t059", "t060"),
            ({"schema": "other"}, ">a<", "t100"),
        ]:
            with self.subTest(query):
                page = self.client.get(address, query)
                self.assertContains(page, there)
                self.assertNotContains(page, missing)
