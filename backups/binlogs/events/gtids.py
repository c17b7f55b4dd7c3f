"""Which transactions are in a set of GTIDs: of MySQL, with tags, and of MariaDB?

MySQL names a set by intervals per server and tag: ``uuid:1-5:9,uuid:tag:3``. MariaDB numbers the
transactions of a domain in their order, so that the last of each server and domain stands for all
before it: ``0-1-100,1-2-7``.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator

from backups.exceptions import BinlogDamaged

Interval = tuple[int, int]  # from the first number up to, not including, the last
LARGEST_NUMBER = 2**63 - 1
_TAG = re.compile(r"[a-z_][a-z0-9_]{0,31}")
_NUMBERS = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?")
_MARIADB = re.compile(r"([0-9]{1,10})-([0-9]{1,10})-([0-9]{1,20})")


class GtidSet:
    """A set of MySQL's GTIDs. Operators return new sets; ``add`` changes this one."""

    def __init__(self, intervals: dict[str, list[Interval]] | None = None) -> None:
        """``intervals`` by ``uuid`` or ``uuid:tag``: sorted, apart from each other, not empty."""
        self._intervals = intervals or {}

    @classmethod
    def parse(cls, text: str) -> GtidSet:
        """Read what MySQL prints, or raise BinlogDamaged."""
        found: dict[str, list[Interval]] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            source, *fields = (field.strip() for field in part.split(":"))
            key = _uuid(source)
            if not fields:
                raise BinlogDamaged(f"{part!r} is no GTID: a number must follow the server's uuid")
            for field in fields:
                if _TAG.fullmatch(field.lower()):
                    key = f"{_uuid(source)}:{field.lower()}"
                else:
                    found.setdefault(key, []).append(_interval(field, part))
        return cls({key: merged(intervals) for key, intervals in found.items()})

    def __str__(self) -> str:
        parts: dict[str, list[str]] = {}
        for key, intervals in sorted(self._intervals.items()):
            source, _, tag = key.partition(":")
            words = parts.setdefault(source, [])
            words += [tag] if tag else []
            words += [f"{a}-{b - 1}" if b - a > 1 else str(a) for a, b in intervals]
        return ",".join(":".join([source, *words]) for source, words in parts.items())

    def __repr__(self) -> str:
        return f"GtidSet({str(self)!r})"

    def __bool__(self) -> bool:
        return bool(self._intervals)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GtidSet) and self._intervals == other._intervals

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def __len__(self) -> int:
        return sum(b - a for intervals in self._intervals.values() for a, b in intervals)

    def __contains__(self, gtid: str) -> bool:
        return self.covers(GtidSet.parse(gtid))

    def __or__(self, other: GtidSet) -> GtidSet:
        keys = self._intervals.keys() | other._intervals.keys()
        return GtidSet({key: merged([*self.of(key), *other.of(key)]) for key in keys})

    def __sub__(self, other: GtidSet) -> GtidSet:
        left = {key: _without(ours, other.of(key)) for key, ours in self._intervals.items()}
        return GtidSet({key: intervals for key, intervals in left.items() if intervals})

    def __and__(self, other: GtidSet) -> GtidSet:
        return self - (self - other)

    def covers(self, other: GtidSet) -> bool:
        """Whether every transaction of the other is in this one."""
        return not other - self

    def of(self, key: str) -> list[Interval]:
        """Return the intervals of ``uuid`` or ``uuid:tag``."""
        return self._intervals.get(key, [])

    def intervals(self) -> Iterator[tuple[str, list[Interval]]]:
        """Yield each ``uuid`` or ``uuid:tag`` with its intervals, in their order."""
        yield from sorted(self._intervals.items())

    def add(self, gtid: str) -> None:
        """Take one more transaction."""
        key, _, digits = gtid.rpartition(":")
        number = int(digits)
        intervals = self._intervals.setdefault(key, [])
        if intervals and intervals[-1][1] == number:
            intervals[-1] = (intervals[-1][0], number + 1)
        else:
            self._intervals[key] = merged([*intervals, (number, number + 1)])

    def copy(self) -> GtidSet:
        return GtidSet({key: list(intervals) for key, intervals in self._intervals.items()})


class GtidPosition:
    """Where MariaDB's domains are. Operators return new ones; ``add`` changes this one."""

    def __init__(self, last: dict[tuple[int, int], int] | None = None) -> None:
        """``last`` number by (domain, server); of a domain, the last named is where it is."""
        self._last = last or {}

    @classmethod
    def parse(cls, text: str) -> GtidPosition:
        """Read what MariaDB prints, or raise BinlogDamaged."""
        position = cls()
        for part in filter(None, (part.strip() for part in text.split(","))):
            position.add(part)
        return position

    def __str__(self) -> str:
        """Return the position as ``gtid_slave_pos`` takes it: one GTID per domain."""
        ends = sorted(self.ends().items())
        return ",".join(f"{domain}-{server}-{number}" for domain, (server, number) in ends)

    def __repr__(self) -> str:
        return f"GtidPosition({self.listed()!r})"

    def __bool__(self) -> bool:
        return bool(self._last)

    def __eq__(self, other: object) -> bool:
        """The order of the servers counts only for which of a domain is the last."""
        return (
            isinstance(other, GtidPosition)
            and self._last == other._last
            and self.ends() == other.ends()
        )

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def __contains__(self, gtid: str) -> bool:
        """Whether the domain has come as far as this transaction."""
        domain, _server, number = parse_mariadb(gtid)
        return number <= self.ends().get(domain, (0, 0))[1]

    def listed(self) -> str:
        """Return every server of every domain, the last of a domain last: as a GTID_LIST has it."""
        return ",".join(f"{d}-{s}-{number}" for (d, s), number in self._last.items())

    def ends(self) -> dict[int, tuple[int, int]]:
        """Return by domain the server and number of its last transaction."""
        return {domain: (server, number) for (domain, server), number in self._last.items()}

    def entries(self) -> Iterator[tuple[int, int, int]]:
        """Yield domain, server and number, the last of a domain last."""
        for (domain, server), number in self._last.items():
            yield domain, server, number

    def covers(self, other: GtidPosition) -> bool:
        """Whether every domain has come as far as the other's."""
        ours = self.ends()
        theirs = other.ends().items()
        return all(number <= ours.get(domain, (0, 0))[1] for domain, (_, number) in theirs)

    def __or__(self, other: GtidPosition) -> GtidPosition:
        """Return the later one of each domain."""
        ours, theirs = self.ends(), other.ends()
        behind = {domain for domain in theirs if theirs[domain][1] > ours.get(domain, (0, -1))[1]}
        last = {key: number for key, number in self._last.items() if key[0] not in behind}
        last |= {key: number for key, number in other._last.items() if key[0] in behind}
        return GtidPosition(last)

    def add(self, gtid: str) -> None:
        """Go on to this transaction."""
        domain, server, number = parse_mariadb(gtid)
        # Out and in again: the last of its domain comes last.
        self._last.pop((domain, server), None)
        self._last[domain, server] = number

    def copy(self) -> GtidPosition:
        return GtidPosition(dict(self._last))


Gtids = GtidSet | GtidPosition


def parse_gtids(text: str) -> Gtids:
    """Read a set or position of either flavour; an empty text is MySQL's empty set."""
    mysql = ":" in text or not text.strip()
    return GtidSet.parse(text) if mysql else GtidPosition.parse(text)


def gtids_text(gtids: Gtids) -> str:
    """Return the text that ``parse_gtids`` reads again without loss."""
    return gtids.listed() if isinstance(gtids, GtidPosition) else str(gtids)


def sets_join(after: str, before: str, *, ended: bool) -> bool:
    """Whether nothing is between two files: one ends with what the next says it begins with.

    ``ended``: whether the end of the first is known as such, which is all there is to go by where
    neither has GTIDs. Where either has, another set is another history, or a file cut short.
    """
    if not after and not before:
        return ended
    try:
        return parse_gtids(after) == parse_gtids(before)
    except BinlogDamaged:
        return False


def parse_mariadb(gtid: str) -> tuple[int, int, int]:
    """Return domain, server and number, or raise BinlogDamaged."""
    match = _MARIADB.fullmatch(gtid)
    if match is None:
        raise BinlogDamaged(f"{gtid!r} is no GTID: domain-server-number")
    domain, server, number = (int(word) for word in match.groups())
    return domain, server, number


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Return intervals in order, those that touch as one."""
    result: list[Interval] = []
    for start, end in sorted(intervals):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return result


def _without(ours: list[Interval], theirs: list[Interval]) -> list[Interval]:
    """Return what is in ``ours`` only; both are in order."""
    result: list[Interval] = []
    at = 0
    for start, end in ours:
        while at < len(theirs) and theirs[at][1] <= start:
            at += 1
        reach = at
        while reach < len(theirs) and theirs[reach][0] < end:
            if start < theirs[reach][0]:
                result.append((start, theirs[reach][0]))
            start = max(start, theirs[reach][1])
            reach += 1
        if start < end:
            result.append((start, end))
    return result


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise BinlogDamaged(f"{text!r} is no uuid of a server") from None


def _interval(text: str, part: str) -> Interval:
    match = _NUMBERS.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= first <= last <= LARGEST_NUMBER:
        raise BinlogDamaged(f"{text!r} in {part!r} is no number or interval of a GTID set")
    return first, last + 1
