"""How are relay logs put into a folder for a replay without a source? MySQL only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymysql.connections import Connection

from backups.binlogs.events.gtids import GtidSet
from backups.binlogs.source.known import KnownPlace
from backups.binlogs.source.relay_logs import write_relay_logs
from backups.binlogs.source.sent import Sent
from backups.binlogs.source.served import Served
from backups.binlogs.source.stream import Stream
from backups.exceptions import MooringError
from backups.restores.replay.leftovers import remove_relay_logs
from backups.restores.replay.statements import RELAY_LOG, ReplayTarget

# Of the made events, which are in no file.
_SERVER_ID = 0x7F000001


@dataclass(frozen=True, slots=True)
class WrittenLogs:
    """Everything that is to be replayed, in the folder: what a source has sent, as it were."""

    # The first of them.
    file: str
    sent: Sent
    # Nothing can fail now, and nobody has to connect.
    failure: MooringError | None = None
    dumps: int = 1


def forget_settings(connection: Connection[Any], target: ReplayTarget) -> None:
    """Remove every replication setting, which also removes relay logs."""
    with connection.cursor() as cursor:
        for statement in target.forget():
            cursor.execute(statement)


def write_logs(
    served: Served, folder: Path, *, owner: tuple[int, int], check: Callable[[], None]
) -> WrittenLogs:
    """Write relay logs into the folder of a server that does not run."""
    remove_relay_logs(folder)
    sent = Sent(GtidSet())
    # A server leaves out by itself what it has.
    stream = Stream(served, KnownPlace(), sent, _SERVER_ID)
    file = write_relay_logs(
        stream.batches(served.begin), folder, RELAY_LOG, owner=owner, check=check
    )
    return WrittenLogs(file, sent)
