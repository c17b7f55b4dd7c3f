"""Writes rows of archives: python -m bench.binlog_rows PORT COUNT ACKNOWLEDGE STORED"""

from __future__ import annotations

import sys
from pathlib import Path

import django


def fill(port: int, instances: int, *, acknowledge: bool, stored: bool) -> None:
    """All of them are one server, each with an identity of its own as a replica."""
    from django.conf import settings

    from backups.models import BinlogArchive, Instance
    from tests.backups.conftest import make_repository
    from tests.live.binlog_source import PASSWORD, USER

    repositories = []
    if stored:
        repositories = [make_repository("main", Path(settings.HOME) / "repository")]
    for number in range(instances):
        instance = Instance(name=f"shop-{number}", port=port, user=USER, tls="preferred")
        instance.set_password(PASSWORD)
        instance.save()
        archive = BinlogArchive.objects.create(
            instance=instance, server_id=3_000_000_000 + number, acknowledge=acknowledge
        )
        archive.repositories.set(repositories)


if __name__ == "__main__":
    django.setup()
    port, count, acknowledge, stored = sys.argv[1:]
    fill(int(port), int(count), acknowledge=acknowledge == "1", stored=stored == "1")
