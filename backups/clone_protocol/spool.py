"""How is a donor's data buffered while the consumer stalls? In a queue, then in a file.

A donor aborts when a connection is not read for a minute. Normally everything stays in a small
memory buffer: while that is full the readers wait, and the network slows the donor down. Only a
connection that has waited for ``patience_seconds`` writes a few blocks to a file and continues, so
that a stall takes little disk however fast the donor could send. The file has no name and is sealed
with a key that exists in memory only: it may hold keys of tablespaces.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backups.clone_protocol.deliveries import NOTHING, Delivery
from backups.clone_protocol.descriptors import Descriptor
from backups.clone_protocol.errors import SpoolFull

# The memory of a descriptor besides its bytes.
_OVERHEAD_BYTES = 512


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """How much may be buffered, and how long a connection may stay unread."""

    memory_bytes: int = 32 << 20
    disk_bytes: int = 1 << 30
    # Well below the donor's 60 seconds.
    patience_seconds: float = 15.0
    # Read after every such wait. Less than a TCP window would have no effect on the donor.
    burst_bytes: int = 8 << 20


@dataclass(slots=True)
class Lane:
    """The state of one connection: the bytes it may still write to the file."""

    burst_bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Spilled:
    offset: int
    sealed_bytes: int
    nonce: bytes


class Spool:
    """A queue of deliveries from several threads to one consumer."""

    def __init__(self, limits: SpoolLimits, folder: Path | None = None) -> None:
        """``folder`` is for the file, if one is needed; by default the system's own."""
        self._limits = limits
        lock = threading.Lock()
        self._has_room = threading.Condition(lock)
        self._has_more = threading.Condition(lock)
        self._waiting: deque[tuple[Descriptor, memoryview | _Spilled, int]] = deque()
        self._memory_bytes = 0
        self._file = _SealedFile(folder)
        self._finished = False
        self._failure: Exception | None = None
        self._taken_at = time.monotonic()

    @property
    def spilled_bytes(self) -> int:
        """The total bytes written to the file."""
        return self._file.written_bytes

    def put(self, descriptor: Descriptor, payload: memoryview, lane: Lane) -> None:
        """Add a delivery; wait for room, or write it to the file. Raises the clone's failure."""
        cost = len(payload) + _OVERHEAD_BYTES
        with self._has_room:
            if lane.burst_bytes <= 0:
                self._wait_for_room(cost, lane)
            if self._failure:
                raise self._failure
            content: memoryview | _Spilled = payload
            if self._fits(cost):
                lane.burst_bytes = 0
                self._memory_bytes += cost
            else:
                lane.burst_bytes -= cost
                content, cost = self._spill(payload), 0
            self._waiting.append((descriptor, content, cost))
            self._has_more.notify()

    def take(self) -> Delivery | None:
        """Return the next delivery, None at the end. Raises the clone's failure."""
        with self._has_more:
            self._taken_at = time.monotonic()
            while not (self._waiting or self._finished or self._failure):
                self._has_more.wait()
            if self._failure:
                raise self._failure
            if not self._waiting:
                return None
            descriptor, content, cost = self._waiting.popleft()
            self._memory_bytes -= cost
            self._taken_at = time.monotonic()
            self._has_room.notify_all()
            if isinstance(content, _Spilled):
                content = self._file.read(content)
        return descriptor, content

    def finish(self) -> None:
        """Record the end of the deliveries."""
        with self._has_more:
            self._finished = True
            self._has_more.notify_all()

    def fail(self, reason: Exception) -> None:
        """Make all calls of put and take raise ``reason``. The first reason counts."""
        with self._has_more:
            self._failure = self._failure or reason
            self._has_more.notify_all()
            self._has_room.notify_all()

    def close(self) -> None:
        """Release memory and disk."""
        with self._has_more:
            self._waiting.clear()
            self._file.close()

    def _fits(self, cost: int) -> bool:
        return not self._memory_bytes or self._memory_bytes + cost <= self._limits.memory_bytes

    def _wait_for_room(self, cost: int, lane: Lane) -> None:
        patience = self._limits.patience_seconds
        if not self._has_room.wait_for(lambda: self._failure or self._fits(cost), patience):
            lane.burst_bytes = self._limits.burst_bytes

    def _spill(self, payload: memoryview) -> memoryview | _Spilled:
        if not payload:
            return NOTHING
        if self._file.used_bytes + len(payload) > self._limits.disk_bytes:
            stall = time.monotonic() - self._taken_at
            raise SpoolFull(
                f"the archive read no data for {stall:.0f} s, and the clone's spool of "
                f"{self._limits.disk_bytes} bytes is full",
                hint="Find out why the repository is slow.",
            )
        try:
            return self._file.write(payload)
        except OSError as exc:
            raise SpoolFull(f"the clone's spool cannot be written: {exc.strerror}") from None


class _SealedFile:
    """An unnamed file that is truncated once everything has been read."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._handle: int | None = None
        self._cipher = AESGCM(AESGCM.generate_key(256))
        self._count = 0
        self._unread = 0
        self.used_bytes = 0
        self.written_bytes = 0

    def write(self, payload: memoryview) -> _Spilled:
        if self._handle is None:
            with tempfile.TemporaryFile(dir=self._folder) as file:
                self._handle = os.dup(file.fileno())
        self._count += 1
        nonce = self._count.to_bytes(12, "big")
        sealed = memoryview(self._cipher.encrypt(nonce, payload, None))
        place = _Spilled(self.used_bytes, len(sealed), nonce)
        while sealed:
            written = os.pwrite(self._handle, sealed, self.used_bytes)
            self.used_bytes += written
            sealed = sealed[written:]
        self.written_bytes += place.sealed_bytes
        self._unread += 1
        return place

    def read(self, place: _Spilled) -> memoryview:
        assert self._handle is not None
        sealed = os.pread(self._handle, place.sealed_bytes, place.offset)
        self._unread -= 1
        if not self._unread:
            self.used_bytes = 0
            os.ftruncate(self._handle, 0)
        return memoryview(self._cipher.decrypt(place.nonce, sealed, None))

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
