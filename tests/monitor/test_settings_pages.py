"""Admins add, test, change and delete what is backed up; passwords go in and never come out."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.test import TestCase
from django.urls import reverse

from backups.models import Activity, Instance, InstanceGroup, Repository
from backups.models.activity import Verb
from backups.states import JobStatus
from monitor.forms.repository_kinds import CHOICES
from tests.monitor.rows import (
    RETENTION_TYPED,
    make_backup,
    make_instance,
    make_job,
    make_repository,
    make_user,
)

SECRET = "0nly-the-server-knows"
# Nobody listens there: refused at once.
FORM: dict[str, Any] = {
    "name": "orders-1", "host": "127.0.0.1", "port": 1, "socket": "", "user": "bk",
    "tls": "preferred", "engine": "mariadb_backup", "runner": "local", "ssh_port": 22,
    "enabled": "on", "new_password": SECRET,
}  # fmt: skip
ADD = "/settings/instances/add/"
TEST = "/settings/instances/test/"


class InstanceSettingsTestCase(TestCase):
    ada: User

    @classmethod
    def setUpTestData(cls) -> None:
        cls.ada = make_user("ada", "admin")

    def setUp(self) -> None:
        self.client.force_login(self.ada)
        Activity.objects.all().delete()

    def test_an_instance_is_added_with_its_password_sealed(self) -> None:
        group = InstanceGroup.objects.create(name="shop")
        response = self.client.post(ADD, {**FORM, "groups": [group.pk]})
        self.assertRedirects(response, "/")
        instance = Instance.objects.get()
        self.assertEqual(instance.password(), SECRET)
        self.assertNotIn(SECRET, instance.password_token)
        self.assertEqual(list(instance.groups.all()), [group])
        self.assertEqual(Activity.objects.get().verb, Verb.ADDED)

    def test_faults_stand_at_their_fields_and_nothing_is_saved(self) -> None:
        response = self.client.post(ADD, {**FORM, "name": "no good", "port": 99999})
        self.assertContains(response, "Use letters, digits, dots", status_code=422)
        self.assertContains(response, "less than or equal to 65535", status_code=422)
        self.assertNotContains(response, SECRET, status_code=422)
        self.assertFalse(Instance.objects.exists())

    def test_the_ssh_runner_needs_a_host_and_a_user(self) -> None:
        response = self.client.post(ADD, {**FORM, "runner": "ssh"})
        self.assertContains(response, "Required by the runner ssh.", count=2, status_code=422)

    def test_an_engine_left_open_is_the_servers_to_say(self) -> None:
        response = self.client.post(ADD, {**FORM, "engine": ""})
        self.assertContains(response, "connection refused. Choose the engine", status_code=422)
        self.assertFalse(Instance.objects.exists())

    def test_a_test_shows_the_checks_and_saves_and_echoes_nothing(self) -> None:
        make_repository()
        for headers in ({}, {"HX-Request": "true"}):
            with self.subTest(headers):
                response = self.client.post(TEST, FORM, headers=headers)
                self.assertContains(response, "connection refused")
                self.assertContains(response, "A backup would be refused")
                self.assertNotContains(response, SECRET)
                self.assertEqual(b"<html" in response.content, not headers)
        self.assertFalse(Instance.objects.exists())
        self.assertFalse(Activity.objects.exists())

    def test_a_test_of_half_a_form_says_what_is_missing(self) -> None:
        response = self.client.post(TEST, {**FORM, "name": ""}, headers={"HX-Request": "true"})
        self.assertContains(response, "Not tested yet")

    def test_a_stored_password_does_not_follow_to_another_address(self) -> None:
        self.client.post(ADD, FORM)
        elsewhere = {**FORM, "new_password": "", "host": "localhost", "present_name": "orders-1"}
        for address in (TEST, "/settings/instance/orders-1/"):
            with self.subTest(address):
                response = self.client.post(address, elsewhere)
                self.assertContains(
                    response,
                    "The address changed (Host): enter the password again",
                    status_code=422,
                )
        self.assertEqual(Instance.objects.get().host, "127.0.0.1")

    def test_a_blank_password_stays_and_a_change_is_kept_by_field(self) -> None:
        self.client.post(ADD, FORM)
        address = "/settings/instance/orders-1/"
        self.client.post(address, {**FORM, "new_password": "", "user": "other"})
        instance = Instance.objects.get()
        self.assertEqual((instance.user, instance.password()), ("other", SECRET))
        self.assertEqual(Activity.objects.latest("id").details, {"fields": ["User"]})
        self.assertNotContains(self.client.get(address), SECRET)

    def test_one_with_a_history_stays_and_says_why(self) -> None:
        make_job(make_instance("orders-1"), JobStatus.FAILED)
        self.assertContains(self.client.get("/settings/instance/orders-1/"), "It has 1 job.")
        response = self.delete("orders-1", typed="orders-1")
        self.assertContains(response, "was not deleted. It has 1 job. Disable it instead")
        self.assertTrue(Instance.objects.exists())

    def test_one_without_goes_when_its_name_was_typed(self) -> None:
        make_instance("orders-1")
        self.assertContains(self.delete("orders-1", typed="orders"), "enter orders-1 to confirm")
        self.assertContains(self.delete("orders-1", typed="orders-1"), "orders-1 was deleted")
        self.assertFalse(Instance.objects.exists())
        self.assertEqual(Activity.objects.get().verb, Verb.DELETED)

    def delete(self, name: str, *, typed: str) -> Any:  # Any: the test client's own response.
        address = reverse("setting-instance-delete", args=[name])
        return self.client.post(address, {"confirm_name": typed}, follow=True)

    def test_the_statements_fit_what_is_typed(self) -> None:
        ask = reverse("setting-grants")
        mysql = self.client.get(ask, {"engine": "clone", "host": "db1", "user": "bk"})
        self.assertContains(mysql, "GRANT BACKUP_ADMIN ON *.* TO `bk`@`%`;")
        self.assertNotContains(mysql, "RELOAD")
        either = self.client.get(ask, {"engine": "", "host": "127.0.0.1"})
        self.assertContains(either, "CREATE USER `mooring`@`localhost`", count=2)

    def test_the_list_finds_by_name_host_and_group(self) -> None:
        orders = make_instance("orders-1")
        Instance.objects.create(name="carts-1", host="db9")
        orders.groups.create(name="shop")
        for asked, found in (("ord", "orders-1"), ("db9", "carts-1"), ("shop", "orders-1")):
            with self.subTest(asked):
                rows = self.client.get(reverse("settings"), {"q": asked}).context["page"]
                self.assertEqual([row.name for row in rows], [found])


class RepositorySettingsTestCase(TestCase):
    def setUp(self) -> None:
        self.client.force_login(make_user("ada", "admin"))

    def test_a_folder_is_made_a_repository(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            form = {"name": "main", "kind": "directory", "path": f"{folder}/r", "encrypted": "on",
                    "enabled": "on", **RETENTION_TYPED}  # fmt: skip
            self.client.post(reverse("setting-repository-add"), form)
            self.assertTrue(Path(folder, "r", "mooring.json").exists())
        repository = Repository.objects.get()
        self.assertTrue(repository.encrypted)
        self.assertEqual(Activity.objects.filter(verb=Verb.ADDED).get().name, "main")

    def test_only_what_was_changed_is_recorded(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            form = {"name": "main", "path": f"{folder}/r", "encrypted": "on", "enabled": "on",
                    **RETENTION_TYPED}  # fmt: skip
            self.client.post(reverse("setting-repository-add"), form)
            address = reverse("setting-repository-edit", args=["main"])
            self.client.post(address, form)
            self.assertFalse(Activity.objects.filter(verb=Verb.CHANGED).exists())
            self.client.post(address, {**form, "max_jobs": "3"})
        changed = Activity.objects.get(verb=Verb.CHANGED)
        self.assertEqual(changed.details["fields"], ["Max concurrent jobs"])

    def test_a_relative_path_is_refused_inline(self) -> None:
        form = {"name": "main", "kind": "directory", "path": "here", "enabled": "on"}
        response = self.client.post(reverse("setting-repository-add"), form)
        self.assertContains(response, "here is not an absolute path", status_code=422)

    def test_the_kind_is_chosen_first_and_shows_only_its_own_fields(self) -> None:
        address = reverse("setting-repository-add")
        page = self.client.get(address)
        for choice in CHOICES.values():
            self.assertContains(page, f'href="?kind={choice.key}"')
            form = self.client.get(address, {"kind": choice.key})
            self.assertContains(form, choice.sentence)
            if choice.by_command:
                self.assertContains(form, "addrepository tapes --path media:archive/site1")
            else:
                self.assertEqual(set(form.context["form"].fields), choice.names)
        self.assertContains(self.client.get(address, {"kind": "floppy"}), 'href="?kind=folder"')

    def test_an_address_of_another_kind_is_refused_inline(self) -> None:
        form = {"name": "main", "path": "s3://bucket/here", **RETENTION_TYPED}
        address = reverse("setting-repository-add")
        page = self.client.post(f"{address}?kind=folder", form)
        self.assertContains(page, "This is of another kind: S3 bucket.", status_code=422)
        self.assertNotContains(page, "Region", status_code=422)

    def test_what_somebody_has_entered_is_not_folded_away(self) -> None:
        repository = make_repository()
        address = reverse("setting-repository-edit", args=["main"])
        self.assertFalse(self.opened(address)["Prices, to estimate costs"])
        repository.price_storage = Decimal("0.02")
        repository.save()
        self.assertTrue(self.opened(address)["Prices, to estimate costs"])

    def opened(self, address: str) -> dict[str, bool]:
        groups = self.client.get(address).context["form"].groups()
        return {group.legend: group.opened for group in groups}

    def test_media_are_added_by_a_command_that_the_page_names(self) -> None:
        form = {"name": "tapes", "path": "media:lto/site1", "enabled": "on", **RETENTION_TYPED}
        response = self.client.post(reverse("setting-repository-add"), form)
        self.assertContains(response, "addrepository NAME --path media:lto/site1", status_code=422)
        self.assertFalse(Repository.objects.exists())

    def test_a_folder_does_not_turn_into_a_tape(self) -> None:
        make_repository()
        form = {"name": "main", "path": "media:lto/site1", "enabled": "on", **RETENTION_TYPED}
        address = reverse("setting-repository-edit", args=["main"])
        page = self.client.post(address, form)
        self.assertContains(page, "another kind: Tape or pipe", status_code=422)
        self.assertEqual(Repository.objects.get().path, "/srv/main")

    def test_what_is_else_of_media_is_edited(self) -> None:
        Repository.objects.create(name="tapes", kind="media", path="media:lto/site1", max_jobs=1)
        form = {"name": "tapes", "path": "media:lto/site1", "encrypted": "on", "enabled": "on",
                "differences": "on", "max_jobs": "2", **RETENTION_TYPED}  # fmt: skip
        self.client.post(reverse("setting-repository-edit", args=["tapes"]), form)
        tapes = Repository.objects.get()
        self.assertEqual((tapes.kind, tapes.max_jobs, tapes.differences), ("media", 2, False))

    def test_one_with_copies_stays(self) -> None:
        make_backup(make_instance("orders-1"), make_repository())
        address = reverse("setting-repository-delete", args=["main"])
        response = self.client.post(address, {"confirm_name": "main"}, follow=True)
        self.assertContains(response, "It has 1 copy.")
        self.assertTrue(Repository.objects.exists())


class GroupSettingsTestCase(TestCase):
    def setUp(self) -> None:
        self.client.force_login(make_user("ada", "admin"))

    def test_a_group_gets_the_instances_that_were_named(self) -> None:
        make_instance("orders-1")
        form = {"name": "shop", "description": "", "members": "orders-1\n"}
        self.client.post(reverse("setting-group-add"), form)
        self.assertEqual(InstanceGroup.objects.get().instances.get().name, "orders-1")
        page = self.client.get(reverse("setting-group-edit", args=["shop"]))
        self.assertContains(page, "orders-1")

    def test_a_name_nobody_has_is_refused(self) -> None:
        form = {"name": "shop", "members": "nobody"}
        response = self.client.post(reverse("setting-group-add"), form)
        self.assertContains(response, "Unknown instance: nobody.", status_code=422)
        self.assertFalse(InstanceGroup.objects.exists())

    def test_one_that_a_schedule_covers_stays(self) -> None:
        group = InstanceGroup.objects.create(name="shop")
        group.schedules.create(name="nightly", cron="0 1 * * *")
        address = reverse("setting-group-delete", args=["shop"])
        response = self.client.post(address, {"confirm_name": "shop"}, follow=True)
        self.assertContains(response, "It is used by schedules: nightly.")


class FirstStepsTestCase(TestCase):
    def setUp(self) -> None:
        self.client.force_login(make_user("ada", "admin"))

    def test_each_step_leads_to_the_next(self) -> None:
        self.assertContains(self.client.get("/"), 'aria-current="step"')
        self.assertContains(self.client.get("/"), ADD)
        orders = make_instance("orders-1")
        self.assertContains(self.client.get("/"), reverse("setting-repository-add"))
        main = make_repository()
        self.assertContains(self.client.get("/"), "Back up orders-1 now")
        make_job(orders, JobStatus.RUNNING)
        self.assertContains(self.client.get("/"), "Show the running job")
        make_backup(orders, main)
        self.assertNotContains(self.client.get("/"), "Three steps")

    def test_a_viewer_is_offered_no_button(self) -> None:
        self.client.force_login(make_user("victor", "viewer"))
        self.assertNotContains(self.client.get("/"), ADD)


class AdminThemeTestCase(TestCase):
    def test_the_admin_looks_like_the_site_and_leads_back(self) -> None:
        self.client.force_login(make_user("ada", "admin"))
        self.client.cookies["theme"] = "dark"
        page = self.client.get(reverse("admin:index"))
        self.assertContains(page, "css/admin.css")
        self.assertContains(page, "theme-dark")
        self.assertNotContains(page, "dark_mode.css")
        self.assertContains(page, reverse("settings"))
