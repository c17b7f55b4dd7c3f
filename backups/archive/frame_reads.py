"""In which way are the frames of a backup read: each by its place, or one after the other?

A store that reads at random gives the frames that have bytes to take. From sequential media
all packs that may have some are streamed in order, each once, and every frame of them is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import NamedTuple

from backups.archive.frames import Frame
from backups.archive.needed_frames import FrameSource, frames_to_take, needed_packs
from backups.archive.reader import BackupReader
from backups.archive.streamed import PackStream
from backups.repositories.sequential.store import SequentialStore, sequential


class FrameRead(NamedTuple):
    """A frame, how to read it and how to open what was read: each in any thread, once."""

    number: int
    stored_bytes: int
    fetch: Callable[[], bytes]
    open: Callable[[bytes], Frame]


def frame_reads(reader: BackupReader, source: FrameSource, depth: int) -> Generator[FrameRead]:
    """Yield the frames of a backup in their order. Close it where it is not read to its end."""
    if (store := sequential(reader.store)) is not None:
        yield from _streamed(reader, store, source, depth)
        return
    for pack, place in frames_to_take(reader, source, depth):
        yield FrameRead(
            place.number,
            place.stored_bytes,
            partial(reader.read_stored, pack, place),
            partial(reader.open_read, pack, place),
        )


def _streamed(
    reader: BackupReader, store: SequentialStore, source: FrameSource, depth: int
) -> Generator[FrameRead]:
    for number in needed_packs(source, depth):
        with store.stream(reader.pack_object(number)) as stream:
            pack = PackStream(reader, number, stream)
            for frame, stored in pack.frames():
                yield FrameRead(
                    frame, len(stored), partial(bytes, stored), partial(pack.open, frame)
                )
            pack.finish()
