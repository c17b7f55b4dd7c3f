"""Repositories: how full, since when, until when, and what of it is proven."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.test import TestCase
from django.urls import reverse
from django.utils.timezone import now

from backups.models import BackupCopy, Instance, Repository, RepositorySpace
from backups.states import CopyStatus, Operation
from monitor.selectors.repository import load_growth, load_proven, load_spaces
from tests.monitor.rows import (
    GIB,
    T0,
    make_backup,
    make_evidence,
    make_instance,
    make_repository,
    make_user,
)

DAY = timedelta(days=1)


class RepositoryPagesTestCase(TestCase):
    victor: User
    orders: Instance
    main: Repository

    @classmethod
    def setUpTestData(cls) -> None:
        cls.victor = make_user("victor", "viewer")
        cls.orders = make_instance("orders-1")
        cls.main = make_repository()

    def setUp(self) -> None:
        self.client.force_login(self.victor)

    def measure(self, age: timedelta, free: int | None, error: str = "") -> None:
        RepositorySpace.objects.create(
            repository=self.main,
            measured_at=T0 - age,
            free_bytes=free,
            total_bytes=100 * GIB,
            error=error,
        )

    def test_what_was_measured_last_counts_and_its_trend_goes_on(self) -> None:
        for days in range(6, -1, -1):
            self.measure(days * DAY, (10 + days) * GIB)
        space = load_spaces(T0)[self.main.pk]
        self.assertEqual((space.free_bytes, space.used_percent), (10 * GIB, 90))
        assert space.full_at is not None
        self.assertEqual(round((space.full_at - T0) / DAY), 10)

    def test_nobody_says_never_where_nobody_knows(self) -> None:
        hour = now().replace(minute=0)
        cases: list[tuple[str, list[tuple[int, int | None]], bool]] = [
            ("one sample", [(0, 10)], False),
            ("too short a trend", [(1, 10), (0, 10)], False),
            ("not shrinking", [(2, 10), (0, 10)], True),
            ("not shrinking, not readable now", [(3, 10), (1, 10), (0, None)], False),
            ("shrinking, not readable now", [(3, 30), (1, 10), (0, None)], False),
        ]
        for title, measured, sure in cases:
            RepositorySpace.objects.all().delete()
            for days, free in measured:
                RepositorySpace.objects.create(
                    repository=self.main,
                    measured_at=hour - days * DAY,
                    free_bytes=None if free is None else free * GIB,
                )
            for address in (reverse("repositories"), "/repositories/main/"):
                with self.subTest(title, address=address):
                    text = self.client.get(address).content.decode()
                    self.assertEqual("not in sight" in text, sure)
            self.assertIsNone(load_spaces(now())[self.main.pk].full_at)

    def test_what_cannot_be_read_is_said(self) -> None:
        self.measure(DAY, 10 * GIB)
        self.measure(timedelta(0), None, "/srv/main: Input/output error")
        page = self.client.get(reverse("repository-detail", args=["main"]))
        self.assertContains(page, "Repository cannot be read")
        self.assertContains(self.client.get(reverse("repositories")), "Input/output error")

    def test_growth_is_what_came_less_what_was_purged(self) -> None:
        make_backup(self.orders, self.main, age=4 * DAY)
        gone = make_backup(self.orders, self.main, age=3 * DAY, status=CopyStatus.PURGED)
        BackupCopy.objects.filter(pk=gone.pk).update(status_since=T0 - DAY)
        make_backup(self.orders, self.main)
        days = load_growth(self.main, T0)
        self.assertEqual([day.stored_bytes // GIB for day in days], [1, 2, 2, 1, 2])

    def test_only_the_newest_evidence_of_a_copy_counts(self) -> None:
        copy = make_backup(self.orders, self.main)
        make_evidence(copy, Operation.VERIFY, passed=True)
        make_evidence(copy, Operation.RESTORE_TEST, passed=True)
        make_evidence(copy, Operation.VERIFY, passed=False)
        proven = load_proven()[self.main.pk]
        self.assertEqual((proven.verified, proven.restore_tested, proven.failed), (0, 1, 1))

    def test_a_key_that_does_not_open_is_named(self) -> None:
        make_backup(self.orders, self.main)
        BackupCopy.objects.update(key_fault="key k1 is not in the keyring")
        page = self.client.get(reverse("repository-detail", args=["main"]))
        self.assertContains(page, "cannot decrypt")

    def test_pages_cost_the_same_for_one_copy_and_for_many(self) -> None:
        for count in (3, 20):
            for n in range(count):
                make_evidence(
                    make_backup(self.orders, self.main, age=(count * 7 + n) * DAY),
                    Operation.VERIFY,
                    passed=True,
                )
            with self.subTest(count), self.assertNumQueries(15):
                self.client.get(reverse("repositories"))
            with self.subTest(count), self.assertNumQueries(29):
                self.client.get(reverse("repository-detail", args=["main"]))

    def test_nothing_yet(self) -> None:
        page = self.client.get(reverse("repository-detail", args=["main"]))
        self.assertContains(page, "not measured yet")
        Repository.objects.all().delete()
        self.assertContains(self.client.get(reverse("repositories")), "No repository yet")
        self.assertEqual(self.client.get("/repositories/none/").status_code, 404)
