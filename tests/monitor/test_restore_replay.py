"""The restore page asks up to where binlogs are replayed, where an instance has an archive."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.test import TestCase
from django.urls import reverse

from backups.models import BinlogArchive, Job
from tests.monitor.rows import make_backup, make_instance, make_repository, make_user

MOMENT = "2026-03-02 14:05:00 Europe/Berlin"


class RestoreReplayTestCase(TestCase):
    def setUp(self) -> None:
        self.orders = make_instance("orders-1")
        self.copy = make_backup(self.orders, make_repository())
        self.archive = BinlogArchive.objects.create(instance=self.orders, server_id=4711)
        self.client.force_login(make_user("olga", "operator"))
        self.target = Path(tempfile.gettempdir()) / "no-such-folder" / "new"

    def ask(self, **words: object) -> Any:  # Any: the test client's own response.
        return self.client.get(f"{reverse('restore-wizard')}?{urlencode(words)}")

    def test_only_an_instance_with_an_archive_is_asked(self) -> None:
        field = 'name="until"'
        self.assertContains(self.ask(copy=self.copy.pk), field)
        self.archive.delete()
        self.assertNotContains(self.ask(copy=self.copy.pk), field)

    def test_the_plan_says_why_a_moment_cannot_be_reached(self) -> None:
        backup = self.copy.backup
        backup.binlog_file, backup.binlog_position = "b.000001", 4
        backup.save()
        response = self.ask(copy=self.copy.pk, target=self.target, until=MOMENT)
        self.assertContains(response, "no archived binlog has b.000001:4")
        self.assertContains(response, "--until &#x27;2026-03-02 13:05:00.000000 UTC&#x27;")

    def test_contradictions_are_shown_beside_the_form(self) -> None:
        for words, message in (
            ({"until": "yesterday"}, "is no moment"),
            ({"until": "2026-10-25 02:30:00 Europe/Berlin"}, "happens twice"),
            ({"until": MOMENT, "before_gtid": "0-1-5"}, "a recovery ends at one place"),
            ({"skip_gtids": "0-1-5"}, "a recovery ends at one place"),
            ({"before_gtid": "everything"}, "is not the GTID of one transaction"),
            ({"until": MOMENT, "raw": "True"}, "not prepared"),
        ):
            with self.subTest(message):
                response = self.ask(copy=self.copy.pk, target=self.target, **words)
                self.assertIn(message, response.content.decode())

    def test_a_job_is_asked_the_same(self) -> None:
        words = {"until": MOMENT, "skip_gtids": "0-1-5 0-1-4"}
        words |= {"copy": str(self.copy.pk), "target": str(self.target)}
        words |= {"confirm_name": str(self.target)}
        response = self.client.post(reverse("restore-start"), words)
        job = Job.objects.get()
        self.assertRedirects(response, reverse("job-detail", args=[job.pk]))
        asked = {"until": "2026-03-02T13:05:00+00:00", "skip_gtids": "0-1-4 0-1-5"}
        self.assertEqual({name: job.parameters.get(name) for name in asked}, asked)
