"""How do archived binlogs become relay logs that a server reads without a source?

A file begins with a format description, as every relay log, and then names the source's file: by
that the server knows its place. What follows are the bytes that a source would have sent, with the
same checks. Behind the last one nothing follows: the replay stops there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from backups.archive.contained import create_contained, open_contained
from backups.binlogs.events.header import (
    CHECKSUM_BYTES,
    FIRST_OFFSET,
    FLAG_ARTIFICIAL,
    HEADER,
    EventType,
    read_format_description,
    read_header,
)
from backups.binlogs.source import made_events
from backups.binlogs.source.stream import Batch

_MAGIC = b"\xfebin"
# In a rotate event, in front of the file's name.
_OFFSET_BYTES = 8
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def write_relay_logs(
    batches: Iterable[Batch],
    folder: Path,
    name: str,
    *,
    owner: tuple[int, int],
    check: Callable[[], None],
) -> str:
    """Write what a stream sends as relay logs of a name, and their index; return the first file.

    ``check`` is called between any two portions, and may raise.
    """
    files: list[str] = []
    descriptor = -1
    # Whether the events carry a checksum: of the file that is written.
    rotate, checksummed = b"", True
    try:
        for event in _events(batches, check):
            header = read_header(event)
            if header.type == EventType.ROTATE and header.flags & FLAG_ARTIFICIAL:
                # It stands in front of the file's first event; in a relay log that one is first.
                rotate = event
                continue
            if rotate and header.type == EventType.FORMAT_DESCRIPTION:
                descriptor = _close(descriptor)
                files.append(f"{name}.{len(files) + 1:06}")
                descriptor = open_contained(folder, files[-1], _NEW, 0o640)
                os.fchown(descriptor, *owner)
                own = read_format_description(memoryview(event)).checksummed
                named = _again(rotate, checksummed if len(files) > 1 else own, own)
                event, rotate, checksummed = _MAGIC + event + named, b"", own
            _write(descriptor, event)
    finally:
        _close(descriptor)
    index = f"{name}.index"
    create_contained(folder, index, "".join(f"{folder / each}\n" for each in files).encode())
    os.chown(folder / index, *owner, follow_symlinks=False)
    return files[0]


def _again(rotate: bytes, checksummed: bool, own: bool) -> bytes:
    """Return the event that names a file as it stands behind that file's description."""
    end = len(rotate) - (CHECKSUM_BYTES if checksummed else 0)
    file = rotate[HEADER.size + _OFFSET_BYTES : end].decode()
    server_id = read_header(rotate).server_id
    return made_events.rotate(file, FIRST_OFFSET, server_id, checksummed=own)


def _events(batches: Iterable[Batch], check: Callable[[], None]) -> Iterator[bytes]:
    for batch in batches:
        check()
        for packet in batch:
            # In front of each is the status byte of its packet.
            yield packet[1:]


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _close(descriptor: int) -> int:
    if descriptor >= 0:
        os.close(descriptor)
    return -1
