"""How is an object read that can only be read from its beginning?"""

from __future__ import annotations

from collections.abc import Iterator

from backups.exceptions import RepositoryError


class ObjectStream:
    """The bytes of an object, once and in order. They count when ``finish`` has returned."""

    def __init__(self, name: str, payloads: Iterator[memoryview], sha256: str) -> None:
        """``sha256`` is what ``finish`` has compared the bytes with; blank is unknown."""
        self._name, self._payloads, self.sha256 = name, payloads, sha256
        self._current = memoryview(b"")
        self.position = 0

    def read(self, length: int) -> bytes:
        """Return the next bytes; fewer than that are an error."""
        parts: list[memoryview] = []
        left = length
        while left:
            if not self._current:
                payload = next(self._payloads, None)
                if payload is None:
                    raise RepositoryError(
                        f"{self._name} ends early: {length - left} of {length} bytes "
                        f"at offset {self.position}"
                    )
                self._current = payload
            part = self._current[:left]
            self._current = self._current[len(part) :]
            left -= len(part)
            parts.append(part)
        self.position += length
        return b"".join(parts)

    def finish(self) -> None:
        """Read up to the end; RepositoryError if the object is not what was stored."""
        self.position += len(self._current)
        self._current = memoryview(b"")
        for payload in self._payloads:
            self.position += len(payload)

    def rest(self, limit: int) -> bytes:
        """Return all that is left; RepositoryError if it is more than ``limit``."""
        parts = [self._current, *self._taken(limit)]
        self._current = memoryview(b"")
        return b"".join(parts)

    def _taken(self, limit: int) -> Iterator[memoryview]:
        left = limit - len(self._current)
        for payload in self._payloads:
            left -= len(payload)
            if left < 0:
                raise RepositoryError(f"{self._name} has more than {limit} bytes")
            self.position += len(payload)
            yield payload
