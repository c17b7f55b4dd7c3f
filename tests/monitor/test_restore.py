"""The restore wizard shows what would happen, and only a typed folder makes it happen."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.test import TestCase
from django.urls import reverse

from backups.models import Backup, BackupCopy, Instance, Job, Repository
from backups.states import CopyStatus, Operation
from monitor.selectors.restore import load_candidates
from tests.monitor.rows import (
    make_backup,
    make_evidence,
    make_instance,
    make_repository,
    make_user,
)

DAY = timedelta(days=1)


class RestoreTestCase(TestCase):
    olga: User
    ada: User
    orders: Instance
    main: Repository
    copy: BackupCopy
    older: BackupCopy

    @classmethod
    def setUpTestData(cls) -> None:
        cls.olga = make_user("olga", "operator")
        cls.ada = make_user("ada", "admin")
        cls.orders = make_instance("orders-1")
        cls.main = make_repository()
        cls.copy = make_backup(cls.orders, cls.main)
        cls.older = make_backup(cls.orders, cls.main, age=DAY)

    def setUp(self) -> None:
        self.client.force_login(self.olga)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.target = Path(folder.name) / "new"

    def ask(self, **words: object) -> Any:  # Any: the test client's own response.
        return self.client.get(f"{reverse('restore-wizard')}?{urlencode(words)}")

    def start(self, **words: object) -> Any:
        asked = {"copy": self.copy.pk, "target": str(self.target), **words}
        return self.client.post(reverse("restore-start"), asked)

    def test_the_first_step_finds_instances_by_a_part_of_their_name(self) -> None:
        make_instance("empty-1")
        self.assertContains(self.ask(), "orders-1")
        self.assertNotContains(self.ask(), "empty-1")
        self.assertContains(self.ask(instance="nobody"), "No instance with a stored backup")

    def test_the_newest_backup_that_was_restored_is_offered_first(self) -> None:
        self.assertContains(self.ask(instance="orders-1"), "has passed a restore test")
        make_evidence(self.older, Operation.RESTORE_TEST, passed=True)
        found = load_candidates(self.orders, None)
        assert found.recommended is not None
        self.assertEqual(found.recommended.backup, self.older.backup)
        self.assertEqual([row.backup for row in found.rows], [self.copy.backup, self.older.backup])

    def test_a_backup_that_failed_a_proof_since_is_not_offered_first(self) -> None:
        make_evidence(self.older, Operation.RESTORE_TEST, passed=True)
        make_evidence(self.older, Operation.VERIFY, passed=False)
        self.assertIsNone(load_candidates(self.orders, None).recommended)

    def test_a_purged_backup_is_not_offered(self) -> None:
        BackupCopy.objects.filter(pk=self.copy.pk).update(status=CopyStatus.PURGED)
        found = load_candidates(self.orders, None)
        self.assertEqual([row.backup for row in found.rows], [self.older.backup])
        self.assertEqual(self.ask(copy=self.copy.pk).status_code, 404)

    def test_a_label_leads_to_its_copy(self) -> None:
        response = self.ask(backup=self.copy.backup.label)
        self.assertRedirects(response, f"/restore/?copy={self.copy.pk}")
        self.assertEqual(self.ask(backup="nothing").status_code, 404)

    def test_what_is_no_number_is_not_found(self) -> None:
        for word in ("", "x", "9" * 40, "²"):
            with self.subTest(word):
                self.assertEqual(self.ask(copy=word).status_code, 404)

    def test_the_plan_says_what_stands_in_the_way_and_touches_nothing(self) -> None:
        response = self.ask(copy=self.copy.pk, target=self.target)
        self.assertContains(response, "This restore would be refused")
        self.assertContains(response, "/srv/main")
        self.assertContains(response, f"--to {self.target}")
        self.assertFalse(self.target.exists())
        self.assertFalse(Job.objects.exists())

    def test_a_relative_target_is_refused_inline(self) -> None:
        self.assertContains(self.ask(copy=self.copy.pk, target="here"), "Enter an absolute path")

    def test_only_the_typed_folder_starts_it(self) -> None:
        for typed in ("", "orders-1", f"{self.target}/"):
            with self.subTest(typed):
                self.assertIn("/restore/?copy=", self.start(confirm_name=typed)["Location"])
        self.assertFalse(Job.objects.exists())
        response = self.start(confirm_name=str(self.target), raw="True", owner="mysql")
        job = Job.objects.get()
        self.assertRedirects(response, reverse("job-detail", args=[job.pk]))
        self.assertEqual(job.operation, Operation.RESTORE)
        self.assertEqual(job.requested_by, self.olga)
        asked = {"target": str(self.target), "raw": True, "owner": "mysql", "mysqld": ""}
        asked |= {"no_start": False}
        self.assertEqual(job.parameters, asked)

    def test_only_admins_say_which_program_is_run(self) -> None:
        Backup.objects.update(engine="clone")
        asked = {"confirm_name": str(self.target), "mysqld": "/opt/mysql/bin/mysqld"}
        self.start(**asked)
        self.assertEqual(Job.objects.latest("id").parameters["mysqld"], "")
        self.client.force_login(self.ada)
        self.start(**asked)
        self.assertEqual(Job.objects.latest("id").parameters["mysqld"], "/opt/mysql/bin/mysqld")

    def test_choosing_costs_the_same_for_one_backup_and_for_many(self) -> None:
        make_evidence(self.copy, Operation.RESTORE_TEST, passed=True)
        for count in (1, 12):
            for n in range(2, count):
                copy = make_backup(self.orders, self.main, age=n * DAY)
                make_evidence(copy, Operation.RESTORE_TEST, passed=True)
            with self.subTest(count), self.assertNumQueries(27):
                self.ask(instance="orders-1")
