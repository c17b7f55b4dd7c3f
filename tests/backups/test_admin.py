from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import TestCase, override_settings
from django.urls import reverse
from django.utils.timezone import now

from backups.access import store_of
from backups.models import Backup, BackupSchedule, Instance, InstanceGroup, Repository, Tag
from backups.repositories.base import Identity
from backups.repositories.directory import DirectoryStore
from backups.repositories.layout import FORMAT_VERSION
from backups.states import JobStatus, Operation
from tests.backups.repositories.object_server import KEY_ID, SECRET, new_place
from tests.monitor.rows import (
    RETENTION_TYPED,
    make_backup,
    make_evidence,
    make_instance,
    make_job,
    make_repository,
    make_stages,
    make_user,
)

CONFIGURED = {BackupSchedule, Instance, InstanceGroup, Repository, Tag}
MODELS = list(apps.get_app_config("backups").get_models())


class AdminTestCase(TestCase):
    ada: User
    olga: User
    orders: Instance

    @classmethod
    def setUpTestData(cls) -> None:
        cls.ada = make_user("ada", "admin")
        cls.olga = make_user("olga", "operator")
        cls.orders = make_instance("orders-1")
        cls.orders.set_password("hunter2")
        cls.orders.save()
        job = make_job(cls.orders, JobStatus.FAILED, error="no")
        make_stages(job, 2)
        make_evidence(make_backup(cls.orders, make_repository()), Operation.VERIFY, passed=True)

    def setUp(self) -> None:
        self.client.force_login(self.ada)

    def test_every_model_is_registered_with_a_list_and_a_search(self) -> None:
        for model in MODELS:
            with self.subTest(model.__name__):
                registered = admin.site.get_model_admin(model)
                self.assertGreater(len(registered.list_display), 1)
                self.assertTrue(registered.search_fields)

    def test_every_list_and_search_opens(self) -> None:
        for model in MODELS:
            with self.subTest(model.__name__):
                address = reverse(f"admin:backups_{model._meta.model_name}_changelist")
                self.assertEqual(self.client.get(address, {"q": "1"}).status_code, 200)

    def test_every_row_opens(self) -> None:
        for model in MODELS:
            if (row := model._default_manager.first()) is None:
                continue
            with self.subTest(model.__name__):
                address = reverse(f"admin:backups_{model._meta.model_name}_change", args=[row.pk])
                self.assertEqual(self.client.get(address).status_code, 200)

    def test_history_is_looked_at_and_never_edited(self) -> None:
        for model in set(MODELS) - CONFIGURED:
            with self.subTest(model.__name__):
                name = f"admin:backups_{model._meta.model_name}"
                self.assertEqual(self.client.get(reverse(f"{name}_add")).status_code, 403)
                if (row := model._default_manager.first()) is None:
                    continue
                # A pin is the one thing of a backup that a person decides.
                for action in ("delete",) if model is Backup else ("change", "delete"):
                    address = reverse(f"{name}_{action}", args=[row.pk])
                    self.assertEqual(self.client.post(address, {}).status_code, 403)

    def test_an_operator_does_not_get_in(self) -> None:
        self.client.force_login(self.olga)
        response = self.client.get(reverse("admin:index"), follow=True)
        self.assertEqual(response.status_code, 403)

    def test_a_stranger_is_sent_to_the_only_login(self) -> None:
        self.client.logout()
        response = self.client.get(reverse("admin:backups_job_changelist"), follow=True)
        self.assertEqual(response.redirect_chain[-1][0], "/login/?next=/admin/backups/job/")


class InstancePasswordTestCase(TestCase):
    ada: User
    orders: Instance
    address: str

    @classmethod
    def setUpTestData(cls) -> None:
        cls.ada = make_user("ada", "admin")
        cls.orders = make_instance("orders-1")
        cls.orders.set_password("hunter2")
        cls.orders.save()
        cls.address = reverse("admin:backups_instance_change", args=[cls.orders.pk])

    def setUp(self) -> None:
        self.client.force_login(self.ada)

    def save(self, **changed: str) -> Instance:
        words = {
            "name": "orders-1",
            "host": "127.0.0.1",
            "port": "3306",
            "user": "mooring",
            "engine": "mariadb_backup",
            "runner": "local",
            "tls": "by-address",
            "ssh_port": "22",
        }
        self.response = self.client.post(self.address, words | changed)
        return Instance.objects.get(pk=self.orders.pk)

    def test_it_is_never_shown(self) -> None:
        response = self.client.get(self.address)
        self.assertNotContains(response, "hunter2")
        self.assertNotContains(response, self.orders.password_token)

    def test_it_is_not_shown_again_after_a_mistake(self) -> None:
        response = self.client.post(self.address, {"new_password": "hunter3", "name": ""})
        self.assertEqual(response.status_code, 200)
        self.assertNotContains(response, "hunter3")

    def test_left_blank_it_stays(self) -> None:
        saved = self.save(user="other")
        self.assertEqual((saved.user, saved.password()), ("other", "hunter2"))

    def test_left_blank_it_goes_nowhere_else(self) -> None:
        for name, value in {
            "host": "db9", "port": "3307", "socket": "/tmp/s", "tls": "off", "runner": "ssh",
            "ssh_host": "h", "ssh_port": "23", "ssh_user": "u", "ssh_known_hosts_file": "/tmp/k",
        }.items():  # fmt: skip
            with self.subTest(name):
                before = getattr(self.save(), name)
                self.assertEqual(self.response.status_code, 302)
                self.assertEqual(getattr(self.save(**{name: value}), name), before)
                self.assertContains(self.response, "enter the password again")
                saved = self.save(**{name: value}, new_password="hunter2")
                self.assertEqual(str(getattr(saved, name)), value)
                self.save(new_password="hunter2")

    def test_a_new_one_is_kept_encrypted_with_its_spaces(self) -> None:
        saved = self.save(new_password=" a b ")
        self.assertEqual(saved.password(), " a b ")
        self.assertNotIn("a b", saved.password_token)

    def test_an_engine_nobody_has_is_refused(self) -> None:
        response = self.client.post(self.address, {"engine": "rsync"})
        self.assertContains(response, "rsync is not one of the available choices")


class ScheduleAdminTestCase(TestCase):
    def setUp(self) -> None:
        self.client.force_login(make_user("ada", "admin"))

    def save(self, **changed: str) -> str:
        """Save a new one and return the page that answers."""
        fields = {
            "name": "nightly", "origin": "managed", "kind": "full", "cron": "0 2 * * *",
            "time_zone": "Europe/Berlin", "anchor_at_0": "2026-03-01", "anchor_at_1": "00:00:00",
            "window": "04:00:00", "grace": "00:15:00", "at_window_end": "finish", "retries": "1",
            "operation": "backup", "proof_target": "backup", "proof_choice": "each",
            "proven_within_days": "30", "after_run": "succeeded",
            "when_unfit": "start",
            "slow_bytes_per_s": "20971520",
            "retry_delay": "00:10:00", "stagger": "0", "catch_up": "once",
            "options": "{}", "enabled": "on", **RETENTION_TYPED,
        }  # fmt: skip
        address = reverse("admin:backups_backupschedule_add")
        return self.client.post(address, fields | changed).content.decode()

    def test_a_new_one_is_armed(self) -> None:
        self.save()
        armed = BackupSchedule.objects.get().next_due_at
        assert armed is not None
        self.assertGreater(armed, now())

    def test_what_could_never_run_is_refused_in_words(self) -> None:
        self.assertIn("cron &#x27;0 25 * * *&#x27; cannot be read", self.save(cron="0 25 * * *"))
        self.assertIn("there is no time zone", self.save(time_zone="Europe/Berlim"))
        self.assertFalse(BackupSchedule.objects.exists())


class RepositoryAdminTestCase(TestCase):
    def setUp(self) -> None:
        self.client.force_login(make_user("ada", "admin"))
        self.folder = Path(self.enterContext(TemporaryDirectory()))

    def save(self, path: Path, name: str = "main") -> str:
        """Save a new one and return the page that answers."""
        address = reverse("admin:backups_repository_add")
        fields = {"name": name, "kind": "directory", "path": str(path), "encrypted": "on"}
        fields |= RETENTION_TYPED
        return self.client.post(address, fields).content.decode()

    def test_a_new_one_makes_its_folder_a_repository(self) -> None:
        self.save(self.folder / "new")

        identity = DirectoryStore(self.folder / "new").identity()
        self.assertEqual(str(Repository.objects.get().uuid), identity.uuid)

    def test_no_folder_is_made_where_the_name_is_taken(self) -> None:
        self.save(self.folder / "new")
        self.assertIn("already exists", self.save(self.folder / "newer"))
        self.assertFalse((self.folder / "newer").exists())

    def test_a_folder_with_other_things_in_it_is_refused_and_stays(self) -> None:
        (self.folder / "holiday.jpg").write_bytes(b"jpg")

        self.assertIn("is neither empty nor a repository", self.save(self.folder))
        self.assertEqual(Repository.objects.count(), 0)
        self.assertEqual(len(list(self.folder.iterdir())), 1)

    def test_a_path_is_not_changed_to_another_repository(self) -> None:
        self.save(self.folder / "a")
        self.save(self.folder / "b", name="other")
        main = Repository.objects.get(name="main")

        address = reverse("admin:backups_repository_change", args=[main.pk])
        fields = {"name": "main", "kind": "directory", "path": str(self.folder / "b")}
        fields |= RETENTION_TYPED
        self.client.post(address, fields)

        main.refresh_from_db()
        self.assertEqual(main.path, str(self.folder / "a"))


@override_settings(OUTBOUND_NETWORKS=["127.0.0.0/8"])
class BucketAdminTestCase(TestCase):
    def setUp(self) -> None:
        self.client.force_login(make_user("ada", "admin"))
        self.place = new_place()

    def fields(self, **given: str) -> dict[str, str]:
        fields = {"name": "offsite", "path": self.place.address, "endpoint": self.place.endpoint}
        fields |= {"encrypted": "on", "credentials": "stored", "access_key_id": KEY_ID}
        return {**fields, **RETENTION_TYPED, **given}

    def save(self, **given: str) -> str:
        """Save the form of the site and return the page that answers."""
        row = Repository.objects.first()
        address = reverse("setting-repository-edit", args=[row.name]) if row else ""
        address = address or reverse("setting-repository-add")
        return self.client.post(address, self.fields(**given)).content.decode()

    def move(self, row: Repository, **given: str) -> str:
        """Save the form of the Django admin, in which a kind may change with the address."""
        address = reverse("admin:backups_repository_change", args=[row.pk])
        return self.client.post(address, self.fields(**given)).content.decode()

    def test_a_bucket_is_added_and_its_secret_is_never_shown(self) -> None:
        self.save(new_secret_key=SECRET)
        row = Repository.objects.get()
        self.assertEqual((row.kind, row.path), ("s3", self.place.address))
        self.assertEqual(store_of(row).identity().uuid, str(row.uuid))
        for address in (
            reverse("setting-repository-edit", args=["offsite"]),
            reverse("repository-detail", args=["offsite"]),
            reverse("repositories"),
            reverse("setting-repositories"),
            reverse("admin:backups_repository_change", args=[row.pk]),
        ):
            page = self.client.get(address).content.decode()
            self.assertIn("offsite", page)
            self.assertNotIn(SECRET, page)
            self.assertNotIn(row.secret_key_token, page)

    def test_the_secret_stays_unless_the_address_changes(self) -> None:
        self.save(new_secret_key=SECRET)
        self.save(max_jobs="3")
        row = Repository.objects.get()
        self.assertEqual((row.secret_key(), row.max_jobs), (SECRET, 3))

        page = self.save(endpoint="https://elsewhere.example.org")
        self.assertIn("The address changed: enter the secret key again.", page)
        self.assertEqual(Repository.objects.get().endpoint, self.place.endpoint)

    def test_another_bucket_must_hold_the_same_repository(self) -> None:
        self.save(new_secret_key=SECRET)
        page = self.save(path=new_place().address, new_secret_key=SECRET)
        self.assertIn("is not a repository", page)
        self.assertEqual(Repository.objects.get().path, self.place.address)

    def test_a_bucket_is_moved_to_a_folder_without_its_secret(self) -> None:
        self.save(new_secret_key=SECRET)
        row = Repository.objects.get()
        with TemporaryDirectory() as folder:
            DirectoryStore(Path(folder)).initialise(Identity(str(row.uuid), FORMAT_VERSION))
            # Where settings are made its kind is fixed.
            self.assertIn("This is of another kind: Folder.", self.save(path=folder, endpoint=""))
            # What has to be cleared is shown.
            self.assertIn("Only an object store has an endpoint.", self.move(row, path=folder))
            self.move(row, path=folder, endpoint="")
            row.refresh_from_db()
            self.assertEqual((row.path, row.is_folder), (folder, True))


class SftpAdminTestCase(TestCase):
    def test_what_is_wrong_with_an_sftp_folder_is_shown_and_nothing_is_added(self) -> None:
        self.client.force_login(make_user("ada", "admin"))
        for path, key, words in (
            ("sftp://db@nas.example.org/backup", "/none", "identity file /none cannot be read"),
            ("sftp://db@nas.example.org/backup", "none", "Enter an absolute path."),
            ("sftp://nas.example.org/backup", "", "has no user or no path"),
        ):
            fields = {"name": "nas", "path": path, "encrypted": "on", "identity_file": key}
            fields |= RETENTION_TYPED
            page = self.client.post(reverse("setting-repository-add"), fields).content.decode()
            self.assertIn(words, page)
        self.assertEqual(Repository.objects.count(), 0)


class PinTestCase(TestCase):
    def test_an_admin_pins_a_backup_and_changes_nothing_else(self) -> None:
        self.client.force_login(make_user("ada", "admin"))
        backup = make_backup(make_instance("orders-1"), make_repository()).backup
        address = reverse("admin:backups_backup_change", args=[backup.pk])

        fields = {"pinned": "on", "pinned_reason": "audit", "label": "forged"}
        inline = {"copies-TOTAL_FORMS": "0", "copies-INITIAL_FORMS": "0"}
        self.client.post(address, fields | inline)

        label = backup.label
        backup.refresh_from_db()
        self.assertEqual((backup.pinned, backup.pinned_reason), (True, "audit"))
        self.assertEqual(backup.label, label)
