"""Which transactions does a replica have already, when it asks for the stream?

MySQL sends a set of GTIDs: what is in it is left out. MariaDB sends the last GTID of each domain:
what comes before it in the files, and that one itself, is left out.
"""

from __future__ import annotations

from typing import Protocol

from backups.binlogs.events.gtids import GtidPosition, GtidSet


class Known(Protocol):
    """What a replica has. Asked once for each transaction, in file order."""

    def has(self, gtid: str) -> bool: ...

    def missing(self) -> str:
        """Return what the replica has and no file had, once all were read; blank is right."""
        ...


class KnownSet:
    """MySQL's set."""

    def __init__(self, gtids: GtidSet) -> None:
        self._gtids = gtids

    def has(self, gtid: str) -> bool:
        source, _, number = gtid.rpartition(":")
        at = int(number) if number else 0
        return any(first <= at < end for first, end in self._gtids.of(source))

    def missing(self) -> str:
        return ""


class KnownPosition:
    """MariaDB's position: nothing of a domain is sent until its GTID has passed."""

    def __init__(self, named: GtidPosition, start: GtidPosition) -> None:
        """``start`` is the position before the first transaction of the stream."""
        begun = start.ends()
        # Those of the beginning are in no file that is served.
        self._awaited = {
            str(domain): f"{domain}-{server}-{number}"
            for domain, (server, number) in named.ends().items()
            if begun.get(domain) != (server, number)
        }

    def has(self, gtid: str) -> bool:
        domain = gtid.partition("-")[0]
        awaited = self._awaited.get(domain)
        if awaited == gtid:
            del self._awaited[domain]
        return awaited is not None

    def missing(self) -> str:
        return ", ".join(sorted(self._awaited.values()))


class KnownPlace:
    """A replica that asks by file and position has what comes before."""

    def has(self, gtid: str) -> bool:
        return False

    def missing(self) -> str:
        return ""
