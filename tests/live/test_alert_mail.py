"""A whole Mooring: a scheduled backup fails, and somebody gets a mail; then another one."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tests.alerts.mailbox import PASSWORD as MAIL_PASSWORD
from tests.alerts.mailbox import USER, Mailbox, mailbox
from tests.live.mooring_site import (
    PASSWORD,
    ROOT,
    Site,
    private_site,
    redis,
    running,
    wait_until,
    worker,
)
from tests.live.server import LiveServer

pytestmark = pytest.mark.live

# What is promised is 20 s; a machine that does other things as well gets twice that.
PROMISED = timedelta(seconds=20)
ADD_CHANNEL = f"""
import django, sys
django.setup()
from alerts.delivery.channels import configure
from alerts.models import Channel, Route
mail = Channel(name="mail", kind="email")
configure(mail, {{
    "recipients": "dba@example.org", "sender": "mooring@example.org", "host": "127.0.0.1",
    "port": sys.argv[1], "security": "starttls", "user": "{USER}", "password": "{MAIL_PASSWORD}",
}})
mail.save()
Route.objects.create(channel=mail)
"""
FAILED = "full backup failed in connect"


def test_a_failure_is_mailed_and_its_end(
    mariadb: LiveServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trusted = str(tmp_path / "ca.pem")
    with mailbox(tmp_path) as box, private_site(mariadb, SSL_CERT_FILE=trusted) as site:
        add_channel(site, box)
        with running([*redis(site.home)], site):
            wait_until(site.sockets().exists)
            play(site, mariadb, box)
        (ended_at,) = site.rows("SELECT ended_at FROM backups_job ORDER BY id LIMIT 1")[0]
        at = datetime.fromisoformat(str(ended_at)).replace(tzinfo=UTC)
    latency = box.arrived_at[0] - at
    with capsys.disabled():
        print(f"\n  from the job's end to SMTP: {latency.total_seconds():.1f} s")
    assert latency <= 2 * PROMISED


def play(site: Site, mariadb: LiveServer, box: Mailbox) -> None:
    mariadb.execute("ALTER USER celery@'%' IDENTIFIED BY 'another one'")
    schedule_in(site, timedelta(seconds=15))
    with worker(site):
        wait_until(lambda: mails(box, FAILED), seconds=120)
        (failed,) = mails(box, FAILED)
        assert failed.startswith("[Mooring] Emergency: bank-1: ")
        assert "access denied for user celery" in failed
        mariadb.execute(f"ALTER USER celery@'%' IDENTIFIED BY '{PASSWORD}'")
        assert site.manage("takebackup", "bank-1")["status"] == "succeeded"
        wait_until(lambda: len(mails(box, FAILED)) > 1, seconds=120)
    assert mails(box, FAILED)[1:] == [failed.replace("Emergency", "Resolved")]


def mails(box: Mailbox, words: str) -> list[str]:
    subjects = [str(message["Subject"]).replace("\n", "") for message in box.messages]
    return [subject for subject in subjects if words in subject]


def add_channel(site: Site, box: Mailbox) -> None:
    environment = site.environment | {"DJANGO_SETTINGS_MODULE": "monitor.settings"}
    argv = [sys.executable, "-c", ADD_CHANNEL, str(box.port)]
    subprocess.run(argv, cwd=ROOT, env=environment, check=True)


def schedule_in(site: Site, wait: timedelta) -> None:
    """Have a backup due once, so long from now, without a retry."""
    anchor = datetime.now(UTC) - timedelta(hours=1) + wait
    schedule = {
        "name": "hourly",
        "every_hours": 1,
        "anchor_at": anchor.isoformat(),
        "covers_all": True,
        "repositories": ["main"],
        "retries": 0,
    }
    file = site.home / "schedules.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "schedules": [schedule]}))
    site.manage("applyconfig", str(file))
