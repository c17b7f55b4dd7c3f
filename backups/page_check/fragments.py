"""How are pages assembled that frames cut in two, or that have a hole?

The parts of a cut page arrive soon after one another. A part whose rest does not arrive is a page
with a hole: the rest is zeros.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

# Limits of the parts that wait, and of those that look damaged without the rest.
PENDING_BYTES = 32 << 20
SUSPECT_BYTES = 32 << 20


class PageKey(NamedTuple):
    """Identifies one page of one file, counted from the file's beginning."""

    file: int
    position: int


class _Part:
    __slots__ = ("content", "missing")

    def __init__(self, size: int) -> None:
        self.content, self.missing = bytearray(size), size


class Fragments:
    """Partly received pages. ``judge`` returns whether a page is good as it is.

    Not for several threads at once.
    """

    def __init__(
        self,
        judge: Callable[[PageKey, bytes], bool],
        settle: Callable[[PageKey, bytes, bool], None],
        *,
        pending_bytes: int = PENDING_BYTES,
        suspect_bytes: int = SUSPECT_BYTES,
    ) -> None:
        """``settle`` is called once for each page, with its final content and if all of it came."""
        self._judge, self._settle = judge, settle
        self._pending = _Waiting(pending_bytes)
        self._suspects = _Waiting(suspect_bytes)

    def add(self, key: PageKey, at: int, payload: bytes, size: int) -> None:
        """Add a part of a page of ``size`` bytes, at offset ``at``."""
        part = self._pending.take(key) or self._suspects.take(key) or _Part(size)
        part.content[at : at + len(payload)] = payload
        part.missing -= len(payload)
        if part.missing <= 0:
            self._settle(key, bytes(part.content), True)
            return
        for old_key, old in self._pending.keep(key, part):
            self._retire(old_key, old)

    def finish(self) -> None:
        """Settle the remaining pages, after the last part."""
        for waiting in (self._pending, self._suspects):
            for key, part in waiting.drain():
                self._settle(key, bytes(part.content), False)

    def _retire(self, key: PageKey, part: _Part) -> None:
        page = bytes(part.content)
        if self._judge(key, page):
            self._settle(key, page, False)
            return
        # The other part may still arrive, from a connection that is far behind.
        for old_key, old in self._suspects.keep(key, part):
            self._settle(old_key, bytes(old.content), False)


class _Waiting:
    """Pages that wait, the oldest first, up to so many bytes."""

    def __init__(self, limit: int) -> None:
        self._limit, self._bytes = limit, 0
        self._parts: OrderedDict[PageKey, _Part] = OrderedDict()

    def take(self, key: PageKey) -> _Part | None:
        part = self._parts.pop(key, None)
        if part is not None:
            self._bytes -= len(part.content)
        return part

    def keep(self, key: PageKey, part: _Part) -> list[tuple[PageKey, _Part]]:
        """Keep a part, and return those that no longer fit."""
        self._parts[key] = part
        self._bytes += len(part.content)
        gone = []
        while self._bytes > self._limit:
            oldest = next(iter(self._parts))
            old = self._parts.pop(oldest)
            self._bytes -= len(old.content)
            gone.append((oldest, old))
        return gone

    def drain(self) -> list[tuple[PageKey, _Part]]:
        parts = list(self._parts.items())
        self._parts.clear()
        self._bytes = 0
        return parts
