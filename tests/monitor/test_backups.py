from __future__ import annotations

import os
import tempfile
from pathlib import Path

from django.contrib.auth.models import User
from django.test import TestCase
from django.urls import reverse
from django.utils.timezone import now

from backups.health.protection_rows import judge_due
from backups.models import Backup, BackupCopy, Instance, Job, Repository
from backups.repositories.layout import MANIFEST_NAME
from backups.states import CopyStatus, Operation
from tests.markup import one_line
from tests.monitor.rows import (
    make_backup,
    make_evidence,
    make_instance,
    make_repository,
    make_user,
    record_tables,
)


class BackupPageTestCase(TestCase):
    olga: User
    victor: User
    orders: Instance
    copy: BackupCopy
    label: str
    address: str

    @classmethod
    def setUpTestData(cls) -> None:
        cls.olga = make_user("olga", "operator")
        cls.victor = make_user("victor", "viewer")
        cls.orders = make_instance("orders-1")
        cls.copy = make_backup(cls.orders, make_repository("plain", encrypted=False))
        cls.label = cls.copy.backup.label
        cls.address = reverse("backup-detail", args=[cls.label])

    def setUp(self) -> None:
        self.client.force_login(self.olga)

    def test_it_says_that_a_copy_is_not_encrypted(self) -> None:
        self.assertContains(self.client.get(self.address), "none: readable by anyone")

    def test_what_nobody_tried_is_neither_a_fault_nor_a_pass(self) -> None:
        response = self.client.get(self.address)
        self.assertContains(response, "Never verified and never restore-tested")

    def test_the_evidence_is_there_with_its_report(self) -> None:
        make_evidence(self.copy, Operation.RESTORE_TEST, passed=True)
        self.assertContains(self.client.get(self.address), "&quot;tables&quot;: 812")

    def test_damage_that_a_consolidation_found_says_so(self) -> None:
        evidence = make_evidence(self.copy, Operation.VERIFY, passed=False)
        evidence.report = {"error": "damaged", "consolidation_of": "orders-1@later"}
        evidence.save(update_fields=["report"])
        self.assertContains(self.client.get(self.address), "in the consolidation of orders-1@later")

    def test_the_page_costs_the_same_with_any_evidence(self) -> None:
        for size in (3, 40):
            with self.subTest(size):
                for _ in range(size):
                    make_evidence(self.copy, Operation.VERIFY, passed=True)
                with self.assertNumQueries(27):
                    self.client.get(self.address)

    def test_contents_that_were_not_recorded_say_what_to_do(self) -> None:
        response = self.client.get(reverse("backup-contents", args=[self.label]))
        self.assertContains(response, f"./mooring manage showbackup {self.label}")

    def test_contents_are_what_was_registered_whatever_the_repository_does(self) -> None:
        record_tables(self.copy, {"shop/orders.frm": 10, "shop/orders.ibd": 2048, "ibdata1": 1})
        with tempfile.TemporaryDirectory() as folder:
            # As a hung mount: whoever opens this to read waits for ever.
            manifest = Path(folder) / self.copy.path / MANIFEST_NAME
            manifest.parent.mkdir(parents=True)
            os.mkfifo(manifest)
            self.copy.repository.path = folder
            self.copy.repository.save()
            response = self.client.get(reverse("backup-contents", args=[self.label]))
        self.assertContains(response, "1 table;")
        self.assertIn("1 other file (", one_line(response.content.decode()))
        self.assertContains(response, 'title="2,058 bytes"')

    def test_a_backup_without_a_copy_says_so_and_offers_nothing(self) -> None:
        gone = make_backup(make_instance("gone"), make_repository("old"), status=CopyStatus.PURGED)
        response = self.client.get(reverse("backup-detail", args=[gone.backup.label]))
        self.assertContains(response, "No stored copy is left")
        for words in ("Start restore test", "Restore manually", "hx-get"):
            self.assertNotContains(response, words)
        contents = reverse("backup-contents", args=[gone.backup.label])
        self.assertEqual(self.client.get(contents).status_code, 404)

    def test_what_nobody_measured_is_unknown(self) -> None:
        self.copy.backup.raw_bytes = self.copy.backup.file_count = None
        self.copy.backup.save()
        judge_due(now())
        for address in (self.address, reverse("fleet")):
            with self.subTest(address):
                self.assertContains(self.client.get(address), '<span class="unknown">unknown')

    def test_only_operators_see_the_buttons(self) -> None:
        self.client.force_login(self.victor)
        self.assertNotContains(self.client.get(self.address), "Start restore test")

    def test_the_buttons_create_jobs(self) -> None:
        for name, operation in [
            ("copy-verify", Operation.VERIFY),
            ("copy-restore-test", Operation.RESTORE_TEST),
        ]:
            with self.subTest(name):
                response = self.client.post(reverse(name, args=[self.label, self.copy.pk]))
                job = Job.objects.get(operation=operation)
                self.assertRedirects(response, reverse("job-detail", args=[job.pk]))
                self.assertEqual((job.copy, job.requested_by), (self.copy, self.olga))

    def test_pages_are_checked_if_asked(self) -> None:
        address = reverse("copy-verify", args=[self.label, self.copy.pk])
        for sent, asked in (({}, False), ({"pages": "on"}, True)):
            with self.subTest(sent):
                self.client.post(address, sent)
                job = Job.objects.latest("id")
                self.assertEqual(job.parameters, {"pages": asked})
                page = self.client.get(reverse("job-detail", args=[job.pk]))
                self.assertContains(page, f"<dd>{'checked' if asked else 'not checked'}</dd>")

    def test_a_copy_on_tape_says_what_is_read_and_offers_no_check_of_pages(self) -> None:
        Repository.objects.update(kind="media", path="media:lto/site1")
        response = self.client.get(self.address)
        self.assertContains(response, "Sequential media: a verify reads all")
        self.assertContains(response, "<dt>Medium and prefix</dt>", html=True)
        self.assertNotContains(response, 'name="pages"')

    def test_what_was_found_of_pages_is_one_line(self) -> None:
        found = {"whole": 1200, "empty": 34, "damaged": 2, "unknown": 5, "not_checked": ["why"]}
        found["damages"] = [f"shop.orders: page {page} is damaged" for page in range(1, 8)]
        evidence = make_evidence(self.copy, Operation.VERIFY, passed=False)
        evidence.report = {"pages": found}
        evidence.save(update_fields=["report"])
        page = self.client.get(self.address)
        self.assertContains(page, "1,234 pages whole, 2 damaged, 5 unknown")
        self.assertContains(page, "<li>shop.orders: page 5 is damaged</li>")
        self.assertNotContains(page, "<li>shop.orders: page 6 is damaged</li>")

    def test_what_a_clone_found_out(self) -> None:
        facts = {
            "protocol": "0x0102",
            "server_uuid": "5b6f2bb4-0000-4000-8000-000000000001",
            "page_size": "16384",
            "pages_sent_again": "12345",
            "redo_bytes": "2097152",
            "gtid_executed_before": "5b6f:1-7",
            "gtid_executed_after": "5b6f:1-9",
        }
        Backup.objects.filter(label=self.label).update(engine="clone", facts=facts)
        page = self.client.get(self.address)
        for shown in ("0x0102", facts["server_uuid"], "16.0 KiB", "12,345", "2.0 MiB", "5b6f:1-9"):
            self.assertContains(page, shown)

    def test_a_copy_of_another_backup_is_not_found(self) -> None:
        other = make_backup(make_instance("other"), make_repository("second"))
        response = self.client.post(reverse("copy-verify", args=[self.label, other.pk]))
        self.assertEqual(response.status_code, 404)
