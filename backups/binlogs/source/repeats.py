"""Is anything served twice, once of each of two servers of which one took over?

A replica of MySQL leaves out what it has. One of MariaDB may apply a transaction again.
"""

from __future__ import annotations

from backups.binlogs.events.gtids import GtidPosition, parse_gtids, parse_mariadb
from backups.exceptions import BinlogDamaged


class Repeats:
    """The transactions of one stream, in their order, and of which server's files they are."""

    def __init__(self, start_gtids: str) -> None:
        """``start_gtids``: what comes before the stream."""
        start = parse_gtids(start_gtids)
        entries = start.entries() if isinstance(start, GtidPosition) else ()
        # The largest numbers by domain and server. Within the files of one server they may fall.
        self._passed = {(domain, server): number for domain, server, number in entries}
        self._before: dict[tuple[int, int], int] = {}
        self._failovers: int | None = None

    def enter(self, failovers: int) -> None:
        """Go on to a file; ``failovers``: how many servers took over before its own."""
        if self._failovers is not None and failovers != self._failovers:
            self._before = dict(self._passed)
        self._failovers = failovers

    def check(self, gtid: str) -> None:
        """Raise where a server before this one had a transaction already."""
        domain, server, number = parse_mariadb(gtid)
        key = domain, server
        if number <= self._before.get(key, -1):
            raise BinlogDamaged(
                f"{gtid} is in the binlogs of two servers, and would be replayed twice",
                hint="Recover to a moment before the failover, or from a backup taken after it.",
            )
        self._passed[key] = max(number, self._passed.get(key, -1))
