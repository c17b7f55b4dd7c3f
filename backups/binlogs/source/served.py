"""What is a replica served: which bytes of which files, without which transactions?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from backups.binlogs.events.header import LOG_POS_RANGE
from backups.programs.compatibility import MARIADB


class StreamPlace(NamedTuple):
    """The number of a stretch, and an offset in its file."""

    stretch: int
    offset: int


class BinlogBytes(Protocol):
    """Where archived binlogs are read from: pieces in a repository, files in a folder."""

    def read(self, file: str, start: int, stop: int) -> Iterator[bytes]:
        """Yield exactly the bytes of a file from ``start`` to before ``stop``, or raise."""
        ...


@dataclass(frozen=True, slots=True)
class ServedRange:
    """Whole transactions of one file, from one boundary to another."""

    file: str
    start: int
    stop: int
    # How many servers took over before the one whose file it is.
    failovers: int = 0


@dataclass(frozen=True, slots=True)
class Served:
    """One replay, from the source's side."""

    binlogs: BinlogBytes
    # In the order of the server's files; they join.
    stretches: Sequence[ServedRange]
    flavour: str
    # What comes before the first transaction: MySQL's set, MariaDB's position.
    start_gtids: str = ""
    # Left out, whatever they did.
    skipped: frozenset[str] = frozenset()
    # How many transactions that are, as counted beforehand; None: nobody has.
    transactions: int | None = None
    # ON where all transactions have a GTID, ON_PERMISSIVE where some have none, else OFF.
    gtid_mode: str = "ON"
    # Called at the end of each thread that has read ``binlogs``.
    leave_thread: Callable[[], None] = lambda: None
    # Called before anything up to a place is sent, with the place.
    before_send: Callable[[str, int], None] = lambda file, offset: None

    @property
    def is_mariadb(self) -> bool:
        return self.flavour == MARIADB

    @property
    def begin(self) -> StreamPlace:
        return StreamPlace(0, self.stretches[0].start)

    @property
    def bytes_total(self) -> int:
        return sum(each.stop - each.start for each in self.stretches)

    def place_of(self, file: str, offset: int, reached: StreamPlace) -> StreamPlace | None:
        """Return the place that a replica names by file and position; None: it is not served.

        It names the position modulo 2^32, as events have it: the last such place that was sent
        is meant, which is ``reached`` or before it.
        """
        for number, each in enumerate(self.stretches):
            if each.file == file:
                sent = reached.offset if reached.stretch == number else each.start
                sent = each.stop if reached.stretch > number else max(sent, each.start)
                meant = offset + max(0, sent - offset) // LOG_POS_RANGE * LOG_POS_RANGE
                if meant <= each.stop:
                    # Up to the first event a file is one place: its first stretch begins there.
                    return StreamPlace(number, max(meant, each.start))
        return None
