"""Is the instance reachable, and which facts does it report?"""

from __future__ import annotations

from contextlib import closing

from django.utils.timezone import now

from backups.instances.connection import connect, login_of
from backups.instances.facts import probe
from backups.instances.settings import fetch_server_settings
from backups.preflight.checks import remember
from backups.running.run import Run
from backups.stages.backup.work import BackupWork
from backups.stages.base import PlainStage


class Connect(PlainStage[BackupWork]):
    name = "connect"

    def run(self, run: Run, work: BackupWork) -> str:
        instance = work.job.instance
        with closing(connect(login_of(instance))) as connection:
            work.facts = probe(connection)
            work.server_settings = fetch_server_settings(connection, work.facts.flavour)
        remember(instance, work.facts, now())
        return f"{work.facts.version} at {instance.address}"
