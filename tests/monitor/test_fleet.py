from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.test import TestCase
from django.urls import reverse

from backups.models import Backup, BackupCopy, Evidence, Instance, Job, Repository
from backups.states import CopyStatus, JobStatus, Operation
from monitor.selectors.fleet import FleetRow, count_states, list_fleet
from tests.monitor.rows import (
    T0,
    make_backup,
    make_evidence,
    make_fleet,
    make_instance,
    make_job,
    make_repository,
    make_user,
)


def the_row() -> FleetRow:
    (row,) = list_fleet(T0)
    return row


class FleetRowTestCase(TestCase):
    main: Repository
    orders: Instance

    @classmethod
    def setUpTestData(cls) -> None:
        cls.main = make_repository()
        cls.orders = make_instance("orders-1")

    def test_without_a_backup_it_needs_attention(self) -> None:
        self.assertEqual(the_row().state, "attention")
        self.assertEqual(the_row().reasons, ["never backed up"])

    def test_a_backup_is_enough_to_be_backed_up(self) -> None:
        make_backup(self.orders, self.main)
        self.assertEqual((the_row().state, the_row().reasons), ("backed_up", []))

    def test_a_backup_whose_bytes_are_going_is_none(self) -> None:
        make_backup(self.orders, self.main, status=CopyStatus.EXPIRED)
        self.assertIsNone(the_row().backup)

    def test_the_newest_backup_is_shown(self) -> None:
        newest = make_backup(self.orders, self.main, age=timedelta(hours=1))
        make_backup(self.orders, self.main, age=timedelta(hours=2))
        self.assertEqual(the_row().backup, newest.backup)

    def test_a_failed_backup_is_not_hidden_by_the_job_after_it(self) -> None:
        make_backup(self.orders, self.main)
        failed = make_job(self.orders, JobStatus.FAILED)
        make_job(self.orders, JobStatus.SUCCEEDED, Operation.VERIFY)
        self.assertEqual(the_row().outcome, failed)
        self.assertEqual(the_row().reasons, ["last backup failed"])

    def test_a_success_after_a_failure_ends_the_trouble(self) -> None:
        make_backup(self.orders, self.main)
        make_job(self.orders, JobStatus.LOST)
        make_job(self.orders, JobStatus.SUCCEEDED)
        self.assertEqual(the_row().state, "backed_up")

    def test_a_cancelled_backup_is_no_trouble(self) -> None:
        make_backup(self.orders, self.main)
        make_job(self.orders, JobStatus.CANCELLED)
        self.assertEqual(the_row().state, "backed_up")

    def test_the_newest_proof_counts(self) -> None:
        copy = make_backup(self.orders, self.main)
        make_evidence(copy, Operation.VERIFY, passed=True)
        make_evidence(copy, Operation.VERIFY, passed=False)
        self.assertEqual(the_row().reasons, ["verify failed"])
        make_evidence(copy, Operation.VERIFY, passed=True)
        self.assertEqual(the_row().reasons, [])

    def test_one_damaged_copy_is_told_whatever_the_other_says(self) -> None:
        damaged = make_backup(self.orders, self.main)
        other = make_repository("offsite")
        good = damaged.backup.copies.create(
            repository=other, path="x", stored_bytes=1, pack_count=1, key_id="k1"
        )
        make_evidence(damaged, Operation.VERIFY, passed=False)
        make_evidence(good, Operation.VERIFY, passed=True)
        self.assertEqual(the_row().reasons, ["verify failed"])

    def test_a_running_job_shows_how_far_it_is(self) -> None:
        make_job(self.orders, JobStatus.RUNNING)
        progress = the_row().progress
        assert progress is not None
        self.assertEqual((progress.percent, progress.time_left), (25, timedelta(seconds=3)))


class FleetPageTestCase(TestCase):
    victor: User

    @classmethod
    def setUpTestData(cls) -> None:
        cls.victor = make_user("victor", "viewer")

    def setUp(self) -> None:
        self.client.force_login(self.victor)

    def test_an_empty_fleet_says_what_to_do_next(self) -> None:
        response = self.client.get(reverse("fleet"))
        self.assertContains(response, "./mooring manage addinstance")
        self.assertContains(response, "./mooring manage addrepository")

    def test_those_that_need_attention_come_first_and_disabled_ones_last(self) -> None:
        main = make_repository()
        for name in ("a-good", "b-disabled", "z-never"):
            instance = make_instance(name)
            if name != "z-never":
                make_backup(instance, main)
            instance.enabled = name != "b-disabled"
            instance.save()
        rows = list_fleet(T0)
        names = [row.instance.name for row in rows]
        self.assertEqual(names, ["z-never", "a-good", "b-disabled"])
        self.assertEqual(
            count_states(rows), {"attention": 1, "backed_up": 1, "disabled": 1, "running": 0}
        )

    def test_what_was_never_tried_is_said_in_words(self) -> None:
        make_backup(make_instance("orders-1"), make_repository())
        response = self.client.get(reverse("fleet"))
        self.assertContains(response, "not verified")
        self.assertContains(response, "not restore-tested")

    def test_the_error_of_a_failed_backup_is_on_the_page(self) -> None:
        make_job(make_instance("orders-1"), JobStatus.FAILED, error="<b>no</b> RELOAD privilege")
        response = self.client.get(reverse("fleet"))
        self.assertContains(response, "&lt;b&gt;no&lt;/b&gt; RELOAD privilege")

    def test_the_page_costs_the_same_at_any_fleet_size(self) -> None:
        main = make_repository()
        for size in (3, 40):
            for name in ("fleet", "fleet-live"):
                with self.subTest(f"{name} of {size}"):
                    self._clear_fleet()
                    make_fleet(size, main)
                    # Session, user, role, rows, groups, backups, jobs, proofs, repositories
                    # and their newest backups; the whole page also asks what is unencrypted,
                    # and for ticks and alerts.
                    expected = 13 if name == "fleet" else 10
                    with self.assertNumQueries(expected):
                        response = self.client.get(reverse(name))
                    self.assertContains(response, "shard-00")

    def _clear_fleet(self) -> None:
        for model in (Evidence, BackupCopy, Job, Backup, Instance):
            model.objects.all().delete()
