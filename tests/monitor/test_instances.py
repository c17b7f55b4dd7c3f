from __future__ import annotations

import re
from datetime import timedelta

from django.contrib.auth.models import User
from django.test import TestCase
from django.urls import reverse

from backups.models import Instance, Job, Repository
from backups.states import CopyStatus, JobStatus, Operation
from tests.monitor.planning import make_schedule
from tests.monitor.rows import (
    make_backup,
    make_evidence,
    make_instance,
    make_job,
    make_repository,
    make_user,
)


class InstancePageTestCase(TestCase):
    olga: User
    victor: User
    main: Repository
    orders: Instance
    address: str

    @classmethod
    def setUpTestData(cls) -> None:
        cls.olga = make_user("olga", "operator")
        cls.victor = make_user("victor", "viewer")
        cls.main = make_repository()
        cls.orders = make_instance("orders-1")
        cls.address = reverse("instance-detail", args=["orders-1"])

    def setUp(self) -> None:
        self.client.force_login(self.olga)

    def test_it_says_when_it_has_never_been_backed_up(self) -> None:
        response = self.client.get(self.address)
        self.assertContains(response, "Never backed up")
        self.assertContains(response, "./mooring manage doctor orders-1")

    def test_the_sentence_says_what_is_proven_and_what_is_not(self) -> None:
        copy = make_backup(self.orders, self.main)
        make_evidence(copy, Operation.VERIFY, passed=True)
        text = " ".join(self.client.get(self.address).content.decode().split())
        self.assertIn("Recoverable to <a", text)
        self.assertIn("verified <time", text)
        self.assertIn("not restore-tested.", text)

    def test_a_purged_backup_is_not_in_the_table(self) -> None:
        copy = make_backup(self.orders, self.main, status=CopyStatus.PURGED)
        self.assertNotContains(self.client.get(self.address), copy.backup.label)

    def test_it_never_shows_the_password(self) -> None:
        self.orders.set_password("hunter2")
        self.orders.save()
        response = self.client.get(self.address)
        self.assertNotContains(response, "hunter2")
        self.assertNotContains(response, self.orders.password_token)

    def test_the_page_costs_the_same_with_any_history(self) -> None:
        for size in (3, 40):
            with self.subTest(size):
                for n in range(size):
                    age = timedelta(days=size, hours=n)
                    make_evidence(
                        make_backup(self.orders, self.main, age=age), Operation.VERIFY, passed=True
                    )
                    make_job(self.orders, JobStatus.SUCCEEDED)
                with self.assertNumQueries(74):
                    self.client.get(self.address)

    def test_long_histories_are_paged(self) -> None:
        for n in range(11):
            make_backup(self.orders, self.main, age=timedelta(hours=n))
        self.assertContains(self.client.get(self.address), "Page 1 of 2")
        response = self.client.get(f"{self.address}?backups=2")
        self.assertContains(response, "orders-1@20260301T150000Z-F")
        # The live region must come back with the same page of the table.
        self.assertContains(response, "/live/?backups=2")

    def test_a_page_number_nobody_knows_is_the_nearest_one(self) -> None:
        for word in ("0", "99", "x", "-1"):
            response = self.client.get(self.address, {"backups": word, "jobs": word})
            self.assertEqual(response.status_code, 200)

    def test_only_operators_see_the_button(self) -> None:
        self.assertContains(self.client.get(self.address), "Back up now")
        self.client.force_login(self.victor)
        self.assertNotContains(self.client.get(self.address), 'type="submit">Back up now')


# What the form offers beside the repositories.
KINDS = "Full Incremental Differential Automatic"


class BackUpNowTestCase(TestCase):
    olga: User
    orders: Instance
    address: str

    @classmethod
    def setUpTestData(cls) -> None:
        cls.olga = make_user("olga", "operator")
        cls.orders = make_instance("orders-1")
        cls.address = reverse("instance-backup", args=["orders-1"])

    def setUp(self) -> None:
        self.client.force_login(self.olga)

    def test_it_creates_a_job_and_goes_to_its_page(self) -> None:
        make_repository()
        response = self.client.post(self.address, {"repository": "main"})
        job = Job.objects.get()
        self.assertRedirects(response, reverse("job-detail", args=[job.pk]))
        self.assertEqual((job.instance, job.requested_by), (self.orders, self.olga))

    def test_it_is_optimistic_where_that_was_ticked(self) -> None:
        make_repository()
        page = self.client.get(reverse("instance-detail", args=["orders-1"]))
        self.assertContains(page, 'name="optimistic"')
        self.client.post(self.address, {"repository": "main", "optimistic": "on"})
        self.assertEqual(Job.objects.get().parameters, {"optimistic": True})

    def test_a_clone_offers_no_optimistic_backup(self) -> None:
        Instance.objects.update(engine="clone")
        page = self.client.get(reverse("instance-detail", args=["orders-1"]))
        self.assertNotContains(page, 'name="optimistic"')
        self.assertContains(page, "Never optimistic")

    def test_it_backs_up_into_what_was_ticked(self) -> None:
        for name in ("a", "b", "c"):
            make_repository(name)
        self.client.post(self.address, {"repository": ["a", "c"]})
        names = Job.objects.get().repositories.values_list("name", flat=True)
        self.assertEqual(list(names), ["a", "c"])

    def test_a_disabled_repository_cannot_be_ticked(self) -> None:
        make_repository("a")
        make_repository("b")
        Repository.objects.filter(name="a").update(enabled=False)
        response = self.client.post(self.address, {"repository": ["a", "b"]}, follow=True)
        self.assertContains(response, "Repository a is disabled.")
        self.assertFalse(Job.objects.exists())

    def test_where_nothing_or_something_unknown_is_selected_nothing_is_written(self) -> None:
        make_repository()
        for given, words in (
            ([], "No repository is selected."),
            (["main", "gone"], "No repository is named gone."),
        ):
            with self.subTest(words):
                response = self.client.post(self.address, {"repository": given}, follow=True)
                self.assertContains(response, words)
                self.assertFalse(Job.objects.exists())

    def shown(self) -> tuple[list[str], str]:
        """What the form of the page would send, and its text."""
        page = self.client.get(reverse("instance-detail", args=["orders-1"])).content.decode()
        (form,) = re.findall(rf'action="{self.address}">(.*?)</form>', page, re.DOTALL)
        # What most backups do without may be folded; where it is stored may not.
        form = re.sub(r'<details class="options">.*?</details>', "", form, flags=re.DOTALL)
        self.assertNotIn("<details", form)
        inputs = re.findall(r'<input[^>]*name="repository"[^>]*>', form)
        sent = [field for field in inputs if "checked" in field or "hidden" in field]
        names = [re.findall(r'value="([^"]*)"', field)[0] for field in sent]
        return names, " ".join(re.sub(r"<[^>]*>", " ", form).split())

    def test_the_form_shows_where_it_writes_as_the_schedule_does(self) -> None:
        for name in ("a", "b", "c"):
            make_repository(name)
        nightly = make_schedule("nightly", self.orders)
        nightly.repositories.set(Repository.objects.filter(name__in=("b", "c")))
        self.assertEqual(self.shown(), (["b", "c"], f"{KINDS} As nightly, to a b c Back up now"))

    def test_without_a_schedule_nothing_is_selected_of_several(self) -> None:
        for name in ("a", "b"):
            make_repository(name)
        self.assertEqual(self.shown(), ([], f"{KINDS} To a b Back up now"))

    def test_the_kind_that_is_selected_is_taken(self) -> None:
        make_repository("main")
        self.client.post(self.address, {"repository": "main", "kind": "incremental"})
        self.assertEqual(Job.objects.get().kind, "incremental")

    def test_the_only_repository_is_named_beside_the_button(self) -> None:
        make_repository("main")
        self.assertEqual(self.shown(), (["main"], f"{KINDS} to main Back up now"))

    def test_a_refusal_is_shown_with_what_to_do(self) -> None:
        self.orders.enabled = False
        self.orders.save()
        make_repository()
        response = self.client.post(self.address, {"repository": "main"}, follow=True)
        self.assertContains(response, "Instance orders-1 is disabled. Enable the instance first.")
        self.assertEqual(Job.objects.count(), 0)

    def test_an_unknown_instance_is_not_found(self) -> None:
        response = self.client.post(reverse("instance-backup", args=["nobody"]))
        self.assertEqual(response.status_code, 404)
