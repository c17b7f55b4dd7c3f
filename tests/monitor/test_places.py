"""While requests wait for servers and disks, the next one of that kind is refused, not queued."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from django.test import TestCase
from django.urls import reverse

from alerts.models import Notification
from backups.admin.places import PLACES, place_to_wait
from backups.models import Repository
from scripts.processes import children
from tests.alerts.rows import make_webhook
from tests.monitor.rows import (
    RETENTION_TYPED,
    make_backup,
    make_instance,
    make_repository,
    make_user,
)

BUSY = "other requests wait for servers or disks"
INSTANCE = {
    "name": "shop-1", "host": "127.0.0.1", "port": "1", "user": "mooring", "engine": "clone",
    "runner": "local", "ssh_port": "22", "tls": "preferred",
}  # fmt: skip


class PlacesTestCase(TestCase):
    def setUp(self) -> None:
        self.client.force_login(make_user("ada", "admin"))
        self.copy = make_backup(make_instance("orders-1"), make_repository())
        self.channel = make_webhook("http://127.0.0.1:1/")

    def busy(self, method: str, page: str, *names: str, **given: str) -> None:
        """Assert that a page answers at once, and why it did nothing."""
        with ExitStack() as held:
            for _ in range(PLACES):
                held.enter_context(place_to_wait())
            call = getattr(self.client, method)
            answer = call(reverse(page, args=names), given, follow=True)
            self.assertContains(answer, BUSY, status_code=answer.status_code)

    def test_checks_of_an_instance(self) -> None:
        self.busy("post", "instance-doctor", "orders-1")

    def test_a_connection_that_is_not_saved_yet(self) -> None:
        self.busy("post", "setting-instance-test", **INSTANCE)

    def test_an_engine_that_only_the_server_knows(self) -> None:
        self.busy("post", "setting-instance-add", **{**INSTANCE, "engine": ""})

    def test_a_test_of_a_channel(self) -> None:
        self.busy("post", "channel-test", self.channel.name)
        self.assertFalse(Notification.objects.exists())

    def test_the_folder_of_a_repository_also_at_the_admin(self) -> None:
        for page in ("setting-repository-add", "admin:backups_repository_add"):
            with TemporaryDirectory() as folder:
                given = {"name": "second", "kind": "directory", "path": folder, **RETENTION_TYPED}
                self.busy("post", page, **given)
                self.assertEqual(list(Path(folder).iterdir()), [])
        self.assertEqual(Repository.objects.count(), 1)

    def test_a_changed_copy(self) -> None:
        self.busy("get", "copy-changed", self.copy.backup.label, str(self.copy.pk))

    def test_the_plan_of_a_restore(self) -> None:
        given = {"copy": str(self.copy.pk), "target": "/srv/restored"}
        self.busy("get", "restore-wizard", **given)

    def test_archived_transactions(self) -> None:
        self.busy("get", "instance-transactions", "orders-1")

    def test_a_place_is_free_again_after_a_failure(self) -> None:
        for _ in range(PLACES + 1):
            answer = self.client.post(reverse("instance-doctor", args=["orders-1"]), follow=True)
            self.assertNotContains(answer, BUSY)

    def test_each_process_keeps_threads_for_others(self) -> None:
        web = next(child for child in children({}) if child.name == "web")
        threads = int(web.argv[web.argv.index("--threads") + 1])
        self.assertGreaterEqual(threads, 2 * PLACES)
