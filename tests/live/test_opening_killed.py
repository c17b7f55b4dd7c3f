"""The process that keeps a table open is killed: no server runs on, and nothing stays on disk."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from tests.live.mooring_site import ROOT, Site, private_site, wait_until
from tests.live.server import LiveServer

pytestmark = pytest.mark.live

START = "import django; django.setup(); "
OPENING = (
    "from backups.models import BackupCopy, TableOpening; TableOpening.objects.create("
    "copy=BackupCopy.objects.get(), schema='bank', name='accounts', requested_by='ada')"
)
KEEP = "from backups.opened_tables.session import keep_open; keep_open(1)"
# The tick, two minutes later.
TICK = (
    "from datetime import timedelta; from django.utils.timezone import now; "
    "from backups.opened_tables.session import close_lost; "
    "from backups.opened_tables.work_folder import remove_abandoned; "
    "remove_abandoned(); close_lost(now() + timedelta(minutes=2))"
)
STATE = "SELECT socket, opened_at, closed_at, problem FROM backups_tableopening"


def run(site: Site, code: str) -> subprocess.Popen[bytes]:
    environment = {**site.environment, "DJANGO_SETTINGS_MODULE": "monitor.settings"}
    process = subprocess.Popen(
        [sys.executable, "-c", START + code],
        cwd=ROOT,
        env=environment,
        stderr=(site.home / "manage.log").open("ab"),
    )
    site.commands.append(process)
    return process


def test_a_killed_owner_leaves_nothing(mariadb: LiveServer) -> None:
    with private_site(mariadb, throttle=0) as site:
        site.manage("takebackup", "bank-1", "--foreground")
        assert run(site, OPENING).wait() == 0
        owner = run(site, KEEP)
        wait_until(lambda: owner.poll() is not None or site.rows(STATE)[0][1] is not None)
        ((_, opened_at, _, problem),) = site.rows(STATE)
        assert opened_at, (problem, (site.home / "manage.log").read_text()[-2000:])
        children = psutil.Process(owner.pid).children(recursive=True)
        servers = [each for each in children if each.name() == "mariadbd"]
        assert servers
        scratch = site.home / "scratch"
        assert list(scratch.glob("opened-*"))
        owner.kill()
        owner.wait()
        wait_until(lambda: not any(map(psutil.Process.is_running, servers)))
        assert run(site, TICK).wait() == 0
        assert list(scratch.glob("opened-*")) == []
        ((_, _, closed_at, problem),) = site.rows(STATE)
        assert closed_at
        assert "has ended" in problem
