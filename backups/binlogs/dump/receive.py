"""How does one connection's stream get onto the disk, and when is the source answered?

What has arrived is made durable twice a second and at the end of each file. A semi-synchronous
source gets one answer for all that has arrived, after it is durable.
"""

from __future__ import annotations

import time

from backups.binlogs.dump.errors import StreamEnd, StreamEnded
from backups.binlogs.dump.session import acknowledgement
from backups.binlogs.dump.spool import SpoolWriter
from backups.binlogs.dump.stream import Batch, EventStream

SYNC_SECONDS = 0.5
# An answer waits at most for so many bytes more: the source's commits wait for it.
ANSWER_BYTES = 4 << 20


class Reception:
    """One stream, from its begin to its end."""

    def __init__(self, stream: EventStream, writer: SpoolWriter, *, silence_seconds: float) -> None:
        """``silence_seconds``: so long without an event or a heartbeat, and it counts as lost."""
        self._stream, self._writer = stream, writer
        self._silence_seconds = silence_seconds
        # When the source last sent anything, by the monotonic clock; read by other threads.
        self.contact = time.monotonic()
        # Whether it has sent anything on this connection.
        self.began = False
        self.acknowledged = 0
        # Since when something is written that is not durable; None: nothing is.
        self._dirty_since: float | None = None
        # Up to where the source waits for an answer, and how much has arrived since the last one.
        self._due: tuple[str, int] | None = None
        self._unanswered = 0

    def run(self) -> None:
        """Receive until the stream ends, which raises StreamEnded or BinlogDamaged."""
        while True:
            if self._arrives():
                self._take(self._stream.read())
            if self._due is not None:
                self._answer()
            elif self._left() <= 0:
                self._sync()

    def _arrives(self) -> bool:
        """Wait for more, not longer than something else has to be done."""
        if self._due is not None:
            return self._unanswered < ANSWER_BYTES and self._stream.wait(0)
        if self._dirty_since is not None:
            return (left := self._left()) > 0 and self._stream.wait(left)
        if self._stream.wait(self._silence_seconds):
            return True
        raise StreamEnded(
            StreamEnd.LOST,
            f"the source sent nothing for {self._silence_seconds:.0f} s, not even a heartbeat",
        )

    def _take(self, batch: Batch) -> None:
        self.contact, self.began = time.monotonic(), True
        events, due = batch.events, batch.acknowledge_after
        if due:
            self._writer.add(events[:due])
            self._due = self._writer.file, self._writer.position
        self._writer.add(events[due:])
        if self._due is not None:
            self._unanswered += sum(map(len, events))
        if self._dirty_since is None and self._writer.dirty:
            self._dirty_since = self.contact

    def _left(self) -> float:
        """Return in how many seconds the disk must have what was written."""
        if self._dirty_since is None:
            return self._silence_seconds
        return self._dirty_since + SYNC_SECONDS - time.monotonic()

    def _answer(self) -> None:
        """Answer, unless more is here that the same answer can confirm."""
        if self._unanswered < ANSWER_BYTES and self._stream.wait(0):
            return
        assert self._due is not None
        self._sync()
        self._stream.acknowledge(acknowledgement(*self._due))
        self._due, self._unanswered = None, 0
        self.acknowledged += 1

    def _sync(self) -> None:
        self._writer.sync()
        self._dirty_since = None
