"""How are two streams of rows in one order held against each other?

Pure. Both are read once, a row of each in memory. Each of them must ascend: whatever a server's
order is, what does not ascend here is an error and no answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from backups.exceptions import EngineError
from backups.opened_tables.keys import Ordered

BEFORE, AFTER, CHANGED, EQUAL = "only earlier", "only later", "changed", "equal"


@dataclass(frozen=True, slots=True)
class KeyedRow:
    """A row: its key, in the form whose order is the server's, what finds it, and its digest."""

    key: tuple[Ordered, ...]
    values: tuple[Ordered, ...]
    digest: str


def merge_rows(
    before: Iterable[KeyedRow], after: Iterable[KeyedRow]
) -> Iterator[tuple[str, KeyedRow]]:
    """Yield each row of both once, in the order of their keys, with how it differs."""
    old, new = _ascending(before), _ascending(after)
    a, b = next(old, None), next(new, None)
    while a is not None or b is not None:
        # Tuples of one kind each: a key's columns are of the same kind in both.
        if b is None or (a is not None and a.key < b.key):
            assert a is not None
            yield BEFORE, a
            a = next(old, None)
        elif a is None or b.key < a.key:
            yield AFTER, b
            b = next(new, None)
        else:
            yield (EQUAL if a.digest == b.digest else CHANGED), b
            a, b = next(old, None), next(new, None)


def _ascending(rows: Iterable[KeyedRow]) -> Iterator[KeyedRow]:
    last: KeyedRow | None = None
    for row in rows:
        if last is not None and not last.key < row.key:
            raise EngineError(
                "the rows are not in an order that is known here",
                hint="Look at the rows of each backup by itself.",
            )
        last = row
        yield row
