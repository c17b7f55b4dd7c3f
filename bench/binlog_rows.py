"""Writes the rows of instances with archives: python -m bench.binlog_rows PORT COUNT ACKNOWLEDGE"""

from __future__ import annotations

import sys

import django


def fill(port: int, instances: int, *, acknowledge: bool) -> None:
    """All of them are one server, each with an identity of its own as a replica."""
    from backups.models import BinlogArchive, Instance
    from tests.live.binlog_source import PASSWORD, USER

    for number in range(instances):
        instance = Instance(name=f"shop-{number}", port=port, user=USER, tls="preferred")
        instance.set_password(PASSWORD)
        instance.save()
        BinlogArchive.objects.create(
            instance=instance, server_id=3_000_000_000 + number, acknowledge=acknowledge
        )


if __name__ == "__main__":
    django.setup()
    fill(int(sys.argv[1]), int(sys.argv[2]), acknowledge=sys.argv[3] == "1")
