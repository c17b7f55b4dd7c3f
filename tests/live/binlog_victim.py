"""Receives a binary log into a folder, without a database: a process that a test kills.

python -m tests.live.binlog_victim FOLDER FLAVOUR PORT FIRST_FILE
"""

from __future__ import annotations

import sys
import uuid
from contextlib import closing
from pathlib import Path

import django

USER_ID = uuid.UUID("3d0e7c58-6c45-4a0d-b6e5-0b6f53f1a001")


def receive(folder: Path, flavour: str, port: int, first_file: str) -> None:
    """Go on from what is in the folder until the process is killed."""
    from backups.binlogs.dump.receive import Reception
    from backups.binlogs.dump.session import (
        DumpStart,
        ReplicaIdentity,
        dump_command,
        session_statements,
    )
    from backups.binlogs.dump.spool import SpoolWriter
    from backups.binlogs.dump.stream import EventStream
    from backups.binlogs.dump.tail import read_tail
    from backups.instances.connection import connect
    from tests.live.binlog_source import login_at

    files = sorted(folder.iterdir()) if folder.exists() else []
    tail = read_tail(files[-1]) if files else None
    at = DumpStart(tail.path.name, tail.last_transaction) if tail else DumpStart(first_file, 4)
    identity = ReplicaIdentity(3_900_000_001, USER_ID)
    with closing(connect(login_at(flavour, port))) as connection:
        stream = EventStream(connection, semi_sync=False)
        statements = session_statements(flavour, identity, heartbeat_seconds=2, acknowledge=False)
        writer = SpoolWriter(folder, at.file, at.position, tail)
        stream.begin(statements, dump_command(flavour, identity, at), timeout_seconds=10)
        Reception(stream, writer, silence_seconds=10).run()


if __name__ == "__main__":
    django.setup()
    receive(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4])
