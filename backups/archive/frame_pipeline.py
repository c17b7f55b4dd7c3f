"""How do frames get into packs in their order, though many threads build them?

    pool of threads     compresses and seals each frame
    sink thread         puts frames in order into packs, and hashes them
    finisher thread     makes full packs durable while the next one is being written

Memory is bounded: frames in flight times frame size.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from uuid import UUID

from backups.archive.blocks.table import TABLE_FILE
from backups.archive.cipher import Cipher
from backups.archive.contents import StoredPack
from backups.archive.meter import Meter
from backups.archive.pack_writer import BuiltFrame, PackSink
from backups.archive.packs import FULL_BYTES
from backups.exceptions import ArchiveError
from backups.repositories.several import Stores

# Enough that the pool never waits for the reader, few enough to stay small in memory.
FRAMES_IN_FLIGHT_PER_THREAD = 3
# Buffered while a disk is briefly busy, before the cores have to wait for it.
FRAMES_TO_SPARE = 10

# Builds the frame of a number, in any thread.
FrameBuilder = Callable[[int], BuiltFrame]


class FramePipeline:
    """Frames on their way into the packs of one backup, in one or several stores at once.

    After any error call ``abort``; what was written so far is then incomplete.
    """

    def __init__(
        self,
        stores: Stores,
        folder: str,
        *,
        backup: UUID,
        cipher: Cipher,
        threads: int,
        check: Callable[[], None],
        meter: Meter,
        full_bytes: int = FULL_BYTES,
    ) -> None:
        self._check, self._meter = check, meter
        # The number of the next frame.
        self.next_frame = 0
        # How many hold differences; complete after ``finish``.
        self.difference_frames = 0
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="frame")
        self._places = threading.Semaphore(threads * FRAMES_IN_FLIGHT_PER_THREAD + FRAMES_TO_SPARE)
        self._built: queue.Queue[Future[BuiltFrame] | None] = queue.Queue()
        self._failure: BaseException | None = None
        self._sink = PackSink(
            stores, folder, backup=backup, cipher=cipher, check=check, full_bytes=full_bytes
        )
        self._sink_thread = threading.Thread(target=self._drain, name="pack", daemon=True)
        self._sink_thread.start()

    @property
    def pack_ranges(self) -> Mapping[int, tuple[int, int]]:
        """First and last pack of each file; complete after ``finish``."""
        return self._sink.pack_ranges

    def submit(self, build: FrameBuilder) -> int:
        """Have a frame built and stored; wait until there is room in flight. Return its number."""
        while not self._places.acquire(timeout=0.5):
            self._raise_failure()
            self._check()
        self._raise_failure()
        number = self.next_frame
        self._built.put(self._pool.submit(build, number))
        self.next_frame += 1
        return number

    def finish(self) -> tuple[StoredPack, ...]:
        """Return the packs, every one durable."""
        self._built.put(None)
        self._sink_thread.join()
        self._pool.shutdown()
        self._raise_failure()
        return self._sink.finish()

    def abort(self) -> None:
        """Stop all threads and drop the unfinished pack. May be called at any time."""
        self._failure = self._failure or ArchiveError("aborted")
        self._pool.shutdown(cancel_futures=True)
        self._built.put(None)
        self._sink_thread.join()
        self._sink.abort()

    def _drain(self) -> None:
        """Store frames in order, however they were built. Runs in the sink thread."""
        while (future := self._built.get()) is not None:
            try:
                if self._failure is None:
                    frame = future.result()
                    self._sink.put(frame)
                    raw_bytes = sum(
                        extent.length for extent in frame.extents if extent.file != TABLE_FILE
                    )
                    self._meter.raw_bytes += raw_bytes
                    if frame.is_difference:
                        self.difference_frames += 1
                        self._meter.difference_bytes += raw_bytes
                    self._meter.stored_bytes += len(frame.stored)
            except BaseException as exc:
                # Kept for the caller's thread, which is the one that can end the job.
                self._failure = self._failure or exc
            finally:
                self._places.release()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
