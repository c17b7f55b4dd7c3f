"""Every change is kept, with who made it and from where, and can be read on one page."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.test import TestCase
from django.urls import reverse

from backups.jobs.request import create_backup_job
from backups.models import Activity, Backup, BackupCopy, Instance, Job, Repository
from backups.models.activity import Verb
from backups.states import JobStatus
from monitor.selectors.activity import PAGE_SIZE
from tests.markup import one_line
from tests.monitor.rows import T0, make_backup, make_instance, make_job, make_repository, make_user

SECRET = "0nly-the-server-knows"


class ActivityTestCase(TestCase):
    anna: User
    orders: Instance
    main: Repository
    copy: BackupCopy

    @classmethod
    def setUpTestData(cls) -> None:
        cls.anna = User.objects.create_superuser("anna")
        cls.orders = make_instance("orders-1")
        cls.main = make_repository()
        cls.copy = make_backup(cls.orders, cls.main)

    def setUp(self) -> None:
        self.client.force_login(self.anna)
        Activity.objects.all().delete()

    def post(self, address: str, **words: object) -> None:
        answer = self.client.post(address, words, REMOTE_ADDR="192.0.2.1")
        self.assertEqual(answer.status_code, 302, answer.content.decode()[:3000])

    def only(self) -> Activity:
        return Activity.objects.get()

    def test_a_job_that_was_requested(self) -> None:
        self.post(reverse("instance-backup", args=["orders-1"]), repository="main")
        row = self.only()
        self.assertEqual((row.verb, row.actor, row.via), (Verb.REQUESTED, "anna", "site"))
        self.assertEqual((row.address, row.instance_name), ("192.0.2.1", "orders-1"))
        self.assertEqual((row.kind, row.number), ("job", Job.objects.get().pk))
        self.assertEqual(row.details, {"kind": "full", "repositories": ["main"]})

    def test_a_job_that_was_cancelled(self) -> None:
        job = make_job(self.orders, JobStatus.RUNNING)
        self.post(reverse("job-cancel", args=[job.pk]))
        self.assertEqual((self.only().verb, self.only().name), (Verb.CANCELLED, f"backup {job.pk}"))
        # Requested a second time it is the same request, by whoever made it.
        Job.objects.update(status=JobStatus.FAILED)
        self.post(reverse("job-cancel", args=[job.pk]))
        self.only()

    def test_a_proof_that_was_requested(self) -> None:
        label = self.copy.backup.label
        self.post(reverse("copy-verify", args=[label, self.copy.pk]))
        self.assertEqual(self.only().details["backup"], label)

    def test_a_refusal_changes_nothing_and_is_not_kept(self) -> None:
        make_job(self.orders, JobStatus.RUNNING)
        self.post(reverse("instance-backup", args=["orders-1"]), repository="main")
        self.assertFalse(Activity.objects.exists())

    def test_without_a_request_it_is_mooring_itself(self) -> None:
        create_backup_job(self.orders, wake=False)
        self.assertEqual((self.only().actor, self.only().via), ("mooring", "mooring"))

    def test_a_password_that_is_set_in_the_admin_is_kept_as_a_fact_only(self) -> None:
        form = {
            "name": "orders-1", "host": "db2", "port": 3306, "user": "bk", "tls": "preferred",
            "engine": "mariadb_backup", "runner": "local", "ssh_port": 22, "enabled": "on",
            "new_password": SECRET,
        }  # fmt: skip
        self.post(reverse("admin:backups_instance_change", args=[self.orders.pk]), **form)
        row = self.only()
        self.assertEqual((row.verb, row.kind, row.name), (Verb.CHANGED, "instance", "orders-1"))
        self.assertLessEqual({"Host", "Password"}, set(row.details["fields"]))
        self.assertNotIn(SECRET, str(list(Activity.objects.values_list())))

    def test_a_pin_has_its_own_word_and_reason(self) -> None:
        address = reverse("admin:backups_backup_change", args=[self.copy.backup.pk])
        inline = {"copies-TOTAL_FORMS": 0, "copies-INITIAL_FORMS": 0}
        self.post(address, pinned="on", pinned_reason="audit of 2026", **inline)
        self.assertEqual((self.only().verb, self.only().instance_name), (Verb.PINNED, "orders-1"))
        self.assertEqual(self.only().details["reason"], "audit of 2026")
        Activity.objects.all().delete()
        self.post(address, pinned_reason="", **inline)
        self.assertEqual(self.only().verb, Verb.UNPINNED)
        self.assertFalse(Backup.objects.get().pinned)

    def test_what_is_added_and_deleted_in_the_admin(self) -> None:
        self.post(reverse("admin:backups_instancegroup_add"), name="shops")
        self.assertEqual((self.only().verb, self.only().name), (Verb.ADDED, "shops"))
        number = self.only().number
        Activity.objects.all().delete()
        self.post(reverse("admin:backups_instancegroup_delete", args=[number]), post="yes")
        self.assertEqual((self.only().verb, self.only().name), (Verb.DELETED, "shops"))

    def test_several_deleted_at_once_are_each_kept(self) -> None:
        users = [make_user(name) for name in ("uma", "urs")]
        words = {"action": "delete_selected", "post": "yes"}
        words["_selected_action"] = [user.pk for user in users]  # type: ignore[assignment]
        self.post(reverse("admin:auth_user_changelist"), **words)
        self.assertEqual({row.name for row in Activity.objects.all()}, {"uma", "urs"})

    def test_a_changed_password_of_a_user(self) -> None:
        victor = make_user("victor")
        words = {"usable_password": "true", "password1": SECRET, "password2": SECRET}
        self.post(reverse("admin:auth_user_password_change", args=[victor.pk]), **words)
        self.assertEqual((self.only().verb, self.only().name), (Verb.CHANGED, "victor"))
        self.assertNotIn(SECRET, str(list(Activity.objects.values_list())))


class ActivityPageTestCase(TestCase):
    victor: User

    @classmethod
    def setUpTestData(cls) -> None:
        cls.victor = make_user("victor", "viewer")
        make_instance("orders-1")

    def setUp(self) -> None:
        self.client.force_login(self.victor)
        Activity.objects.all().delete()

    def add(self, count: int, **columns: object) -> None:
        fields = {"verb": Verb.CHANGED, "actor": "anna", "via": "site", "kind": "instance"}
        for n in range(count):
            at = T0 + timedelta(minutes=n)
            Activity.objects.create(**{**fields, "name": f"shard-{n}", "at": at, **columns})

    def page(self, query: str = "") -> str:
        return self.client.get(f"/activity/{query}").content.decode()

    def test_nothing_was_done(self) -> None:
        self.assertIn("No activity yet", self.page())

    def test_older_rows_are_reached_by_their_key(self) -> None:
        self.add(PAGE_SIZE + 1)
        first = self.page()
        self.assertNotIn("shard-0 <", one_line(first))
        oldest = Activity.objects.order_by("-id")[PAGE_SIZE - 1].pk
        self.assertIn(f"?before={oldest}", first)
        second = self.page(f"?before={oldest}")
        self.assertIn("shard-0 <", one_line(second))
        self.assertNotIn(">Older<", second)

    def test_exactly_one_page_has_no_older(self) -> None:
        self.add(PAGE_SIZE)
        self.assertNotIn(">Older<", self.page())

    def test_the_filters(self) -> None:
        self.add(1, name="by-anna")
        self.add(1, name="by-urs", actor="urs", verb=Verb.PINNED, instance_name="orders-1")
        for query, seen in [
            ("", {"by-anna", "by-urs"}),
            ("?who=anna", {"by-anna"}),
            ("?what=pinned", {"by-urs"}),
            ("?instance=orders-1", {"by-urs"}),
            ("?who=anna&what=pinned", set()),
            ("?who=nobody", set()),
        ]:
            with self.subTest(query):
                text = self.page(query)
                self.assertEqual({name for name in ("by-anna", "by-urs") if name in text}, seen)

    def test_a_filter_stays_on_the_older_page(self) -> None:
        self.add(PAGE_SIZE + 1)
        self.assertIn("?who=anna&amp;before=", self.page("?who=anna"))

    def test_what_was_typed_by_somebody_is_text(self) -> None:
        self.add(1, name="<script>alert(1)</script>", details={"<b>": ["<i>"]})
        self.assertNotIn("<script>alert", self.page())

    def test_a_key_that_is_none_is_not_found(self) -> None:
        for word in ("x", "-1", "9" * 30, "²"):
            with self.subTest(word):
                self.assertEqual(self.client.get(f"/activity/?before={word}").status_code, 404)

    def test_it_costs_the_same_for_any_number(self) -> None:
        for size in (3, 60):
            self.add(size, instance_name="orders-1")
            # Session, user, role, rows, instances, the two filters, ticks, alerts, keys.
            with self.subTest(size), self.assertNumQueries(10):
                self.page()
