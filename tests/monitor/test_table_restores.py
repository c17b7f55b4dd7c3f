"""The page of a restore of tables shows a plan, and only a typed target starts it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.test import TestCase
from django.urls import reverse

from backups.models import BackupCopy, Instance, Job
from backups.parameters import RestoreTableParameters
from backups.states import CopyStatus, Operation
from tests.monitor.rows import make_backup, make_instance, make_repository, make_user


class TableRestoreTestCase(TestCase):
    olga: User
    orders: Instance
    copy: BackupCopy

    @classmethod
    def setUpTestData(cls) -> None:
        cls.olga = make_user("olga", "operator")
        cls.orders = make_instance("orders-1")
        cls.copy = make_backup(cls.orders, make_repository())

    def setUp(self) -> None:
        self.client.force_login(self.olga)
        self.label = self.copy.backup.label

    def ask(self, *pairs: tuple[str, str]) -> Any:  # Any: the test client's own response.
        return self.client.get(f"{reverse('table-restore', args=[self.label])}?{urlencode(pairs)}")

    def start(self, **words: str) -> Any:
        asked = {"tables": "shop.orders", "sql_file": "/srv/out.sql", **words}
        return self.client.post(reverse("table-restore-start", args=[self.label]), asked)

    def test_the_ticked_tables_are_in_the_form(self) -> None:
        response = self.ask(("table", "`shop`.`orders`"), ("table", "`shop`.`lines`"))
        self.assertContains(response, "`shop`.`orders`\n`shop`.`lines`")
        self.assertContains(response, "Nothing is written yet")

    def test_the_plan_says_what_stands_in_the_way_and_touches_nothing(self) -> None:
        response = self.ask(("tables", "shop.orders"), ("sql_file", "/srv/out.sql"))
        # There is no repository in that folder.
        self.assertContains(response, "This restore would be refused")
        self.assertFalse(Job.objects.exists())

    def test_what_contradicts_itself_is_refused_in_the_form(self) -> None:
        for pairs, why in (
            ((("tables", "orders"), ("sql_file", "/x")), "names no table"),
            ((("tables", "shop.orders"),), "One of an instance, a folder and a file is needed"),
            ((("tables", "shop.orders"), ("sql_file", "x")), "is not an absolute path"),
            ((("tables", "shop.orders"), ("to_instance", "nobody")), "valid choice"),
        ):
            with self.subTest(why):
                self.assertContains(self.ask(*pairs), why)

    def test_only_the_typed_target_starts_it(self) -> None:
        self.start(confirm_name="orders-1")
        self.assertFalse(Job.objects.exists())
        response = self.start(confirm_name="/srv/out.sql")
        job = Job.objects.get(operation=Operation.RESTORE_TABLE)
        self.assertRedirects(response, reverse("job-detail", args=[job.pk]))
        asked = RestoreTableParameters.of(job)
        self.assertEqual((asked.tables, asked.target), ("`shop`.`orders`", "/srv/out.sql"))
        self.assertEqual(job.requested_by, self.olga)
        self.assertContains(self.client.get(reverse("job-detail", args=[job.pk])), "/srv/out.sql")

    def test_an_instance_is_typed_by_its_name(self) -> None:
        self.start(sql_file="", to_instance="orders-1", replace="on", confirm_name="orders-1")
        asked = RestoreTableParameters.of(Job.objects.get())
        self.assertEqual((asked.to_instance, asked.replace), ("orders-1", True))

    def test_a_backup_without_a_copy_is_not_found(self) -> None:
        BackupCopy.objects.update(status=CopyStatus.PURGED)
        self.assertEqual(self.ask().status_code, 404)
        self.assertEqual(self.start(confirm_name="/srv/out.sql").status_code, 404)
