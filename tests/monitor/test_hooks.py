"""What do pages show of hooks? Which belong to what and how they ended, never what they run."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now
from pytest_django import Settings

from backups.models import BackupSchedule, HookRun, Instance, Job
from backups.states import JobStatus
from tests.backups.hooks.made import hooks_file
from tests.monitor.rows import make_instance, make_job, make_user

pytestmark = pytest.mark.django_db

ENTRIES = """
[mount]
when = "before"
command = ["/usr/local/bin/share-mounter", "--up"]
instances = ["orders-1"]

[hold]
when = "before-copy"
sql = "CALL ops.pause_writers()"
schedules = ["nightly"]
"""


@pytest.fixture
def orders(client: Client) -> Instance:
    client.force_login(make_user("victor", "viewer"))
    return make_instance("orders-1")


@pytest.fixture
def file(tmp_path: Path, settings: Settings) -> Path:
    settings.HOOKS_FILE = tmp_path / "hooks.toml"
    return hooks_file(tmp_path, ENTRIES)


def page(client: Client, name: str, *words: object) -> str:
    response = client.get(reverse(name, args=words))
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def test_an_instance_names_its_hooks_and_where_they_are_configured(
    client: Client, orders: Instance, file: Path
) -> None:
    text = page(client, "instance-detail", "orders-1")
    assert "before: mount" in text and "before-copy: hold" in text
    assert f"configured in {file} on " in text
    assert "share-mounter" not in text and "pause_writers" not in text
    make_instance("stock-1")
    text = page(client, "instance-detail", "stock-1")
    assert "before: mount" not in text and "before-copy: hold" in text
    file.unlink()
    assert "configured in" not in page(client, "instance-detail", "orders-1")


def test_a_schedule_names_its_hooks(client: Client, orders: Instance, file: Path) -> None:
    for name, shown in (("nightly", True), ("weekly", False)):
        BackupSchedule.objects.create(name=name, cron="0 1 * * *", covers_all=True)
        text = page(client, "schedule-detail", name)
        assert ("before-copy: hold" in text) is shown
        assert "before: mount" in text


def test_a_file_that_is_refused_is_a_fault_without_its_contents(
    client: Client, orders: Instance, file: Path
) -> None:
    file.write_text(ENTRIES.replace("/usr/local/bin/share-mounter", "share-mounter"))
    text = page(client, "instance-detail", "orders-1")
    assert "The hooks file is refused, and no job starts" in text
    assert "share-mounter" not in text


def test_a_job_shows_how_its_hooks_ended(client: Client, orders: Instance) -> None:
    job = make_job(orders, JobStatus.SUCCEEDED)
    Job.objects.filter(pk=job.pk).update(problems="hook after: report: exit code 7: no route")
    columns = {"job": job, "when": "after", "host": "worker-1", "started_at": now()}
    ended = now() + timedelta(seconds=3)
    HookRun.objects.create(
        **columns, position=0, name="report", ended_at=ended, exit_code=7,
        problem="exit code 7: no route",
    )  # fmt: skip
    HookRun.objects.create(**columns, position=1, name="unmount", open=True)
    HookRun.objects.create(
        **columns, position=2, name="release", open=True, unable_since=now(),
        problem="could not be run: cannot connect",
    )  # fmt: skip
    text = page(client, "job-detail", job.pk)
    assert 'data-label="Exit code" class="figure"> 7 <' in text
    assert "3.0 s" in text
    assert "exit code 7: no route" in text
    assert "owed: it runs on worker-1 once the process control runs there" in text
    assert "runs there (last try: could not be run: cannot connect)" in text
    assert "Correct what the hooks below report; their output is in the log." in text
    assert "Hooks" not in page(client, "job-detail", make_job(orders, JobStatus.SUCCEEDED).pk)
