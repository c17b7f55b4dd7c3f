"""How many requests of which class were made to a store, and how many bytes were moved?

Counted where they are made: by a bucket's connection, and by a wrapper around every other store. A
job opens a book, and each store that is made meanwhile writes into its page. What a library sends
again by itself is not seen.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum


class Asked(StrEnum):
    """The classes in which stores charge requests."""

    PUT = "puts"
    GET = "gets"
    LIST = "lists"
    HEAD = "heads"
    DELETE = "deletes"


@dataclass
class StoreUsage:
    """The requests to one store. Any thread may count."""

    requests: defaultdict[Asked, int] = field(default_factory=lambda: defaultdict(int))
    sent_bytes: int = 0
    received_bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, asked: Asked, count: int = 1, *, sent: int = 0, received: int = 0) -> None:
        with self._lock:
            self.requests[asked] += count
            self.sent_bytes += sent
            self.received_bytes += received


class UsageBook:
    """The usage of the stores of one job, by the key of their repository."""

    def __init__(self) -> None:
        self.pages: defaultdict[int, StoreUsage] = defaultdict(StoreUsage)


_open: ContextVar[UsageBook | None] = ContextVar("open_usage_book", default=None)


@contextmanager
def counted() -> Iterator[UsageBook]:
    """Count what is asked of stores that are made meanwhile, in whichever thread that is."""
    book = UsageBook()
    token = _open.set(book)
    try:
        yield book
    finally:
        _open.reset(token)


def usage_of(repository: int | None) -> StoreUsage | None:
    """Return the page of a repository; None where nobody counts."""
    book = _open.get()
    return None if book is None or repository is None else book.pages[repository]
