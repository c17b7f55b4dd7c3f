from __future__ import annotations

from django.test import TestCase
from django.urls import reverse

from backups.models import Backup
from tests.monitor.rows import make_backup, make_instance, make_repository, make_user


class NoNulTestCase(TestCase):
    def setUp(self) -> None:
        self.client.force_login(make_user("ada", "admin"))

    def test_no_address_takes_one_to_the_database(self) -> None:
        for address in (
            "/activity/?who=a%00b",
            "/activity/?instance=%00",
            "/settings/instances/?q=a%00",
            "/restore/?instance=a%00",
            "/restore/?backup=a%00",
            "/schedules/?x%00=1",
            "/instances/a%00b/",
            "/admin/backups/job/?q=a%00b",
        ):
            with self.subTest(address):
                page = self.client.get(address)
                self.assertContains(page, "Bad request", status_code=400)

    def test_nor_does_a_form(self) -> None:
        label = make_backup(make_instance("orders-1"), make_repository()).backup.label
        response = self.client.post(reverse("backup-pin", args=[label]), {"reason": "a\0b"})
        self.assertEqual(response.status_code, 400)
        self.assertFalse(Backup.objects.get().pinned)

    def test_a_stranger_gets_an_answer_too(self) -> None:
        self.client.logout()
        for address in ("/login/?next=%00", "/%00", "/static/a%00b"):
            with self.subTest(address):
                self.assertEqual(self.client.get(address).status_code, 400)

    def test_the_mark_of_a_nul_that_is_none_is_let_through(self) -> None:
        self.assertEqual(self.client.get("/activity/?who=%2500").status_code, 200)
