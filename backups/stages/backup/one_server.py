"""Is the copy of the server that was connected to?

The tool connects by SQL and reads files of the host it runs on. They are of one server if the LSN
to which the copy reaches lies between what the server had flushed before and its LSN afterwards.
"""

from __future__ import annotations

from contextlib import closing

from backups.engines.base import CopyFacts
from backups.engines.mariadb_backup.metadata import MariadbDetails
from backups.exceptions import EngineError
from backups.instances.connection import connect, login_of
from backups.instances.facts import fetch_lsn
from backups.models import Instance


def read_lsn(instance: Instance, name: str) -> int:
    """Return one of the server's LSNs; EngineError if it reports none."""
    with closing(connect(login_of(instance))) as connection:
        lsn = fetch_lsn(connection, name)
    if lsn is None:
        raise EngineError(
            f"the server does not report {name}: the copy cannot be proven to be of it"
        )
    return lsn


def refuse_another_source(copy: CopyFacts, before: int, after: int) -> None:
    """Raise EngineError if the copied files are not of the server with these LSNs."""
    details = copy.details
    reached = details.last_lsn if isinstance(details, MariadbDetails) else None
    if reached is None or not before <= reached <= after:
        raise EngineError(
            f"the copied files are of another server than the one connected to: the copy reaches "
            f"LSN {reached}, the server was between {before} and {after}",
            hint="Run the tool on the server's own host (--runner ssh), where its data folder is.",
        )
