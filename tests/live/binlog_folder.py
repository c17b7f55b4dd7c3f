"""Binlogs as files in a folder: what a replay is served in tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backups.binlogs.events.header import HEADER, read_header
from backups.binlogs.events.transactions import Transaction, TransactionTracker
from backups.binlogs.source.reading import read_head
from backups.binlogs.source.served import ServedRange

CHUNK = 1024 * 1024


class FolderBinlogs:
    """The binlogs of a server that has ended, or whose file is closed."""

    def __init__(self, folder: Path, prefix: str = "binlog") -> None:
        self.folder = folder
        self.files = sorted(
            each.name for each in folder.glob(f"{prefix}.[0-9]*") if each.suffix[1:].isdigit()
        )

    def read(self, file: str, start: int, stop: int) -> Iterator[bytes]:
        with (self.folder / file).open("rb") as content:
            content.seek(start)
            while start < stop:
                chunk = content.read(min(CHUNK, stop - start))
                if not chunk:
                    return
                start += len(chunk)
                yield chunk

    def size(self, file: str) -> int:
        return (self.folder / file).stat().st_size

    def transactions(self, file: str) -> list[Transaction]:
        """Return the whole transactions of a file, in its order."""
        size = self.size(file)
        head = read_head(self, file, size)
        content = (self.folder / file).read_bytes()
        tracker, at, found = TransactionTracker(head.description.checksummed), 4, []
        while len(content) - at >= HEADER.size:
            header = read_header(content, at)
            ended = tracker.feed(header, memoryview(content)[at : at + header.size], at)
            found += [ended] if ended else []
            at += header.size
        return found

    def stretches(self, file: str, start: int, stop: tuple[str, int]) -> list[ServedRange]:
        """Return everything from a place in ``file`` up to another, as it is served."""
        served = [each for each in self.files if file <= each <= stop[0]]
        return [
            ServedRange(
                each,
                start if each == file else 4,
                stop[1] if each == stop[0] else self.size(each),
            )
            for each in served
        ]
