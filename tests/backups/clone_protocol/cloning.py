"""What the tests of a clone have in common: how one is taken, and what it should be."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from backups.clone_protocol import (
    Block,
    CloneRecord,
    CloneStream,
    FileAnnounced,
    SpoolLimits,
    StateEnded,
    StateStarted,
    clone,
)
from tests.backups.clone_protocol.donor import Donor, Step, small_copy

WHOLE = [
    "INIT ended",
    "FILE_COPY started",
    "ibdata1",
    "shop/t.ibd",
    "0@0 AAAA",
    "1@0 BBBB",
    "FILE_COPY ended",
    "PAGE_COPY started",
    "1@2 bb",
    "PAGE_COPY ended",
    "REDO_COPY started",
    "#innodb_redo/#ib_redo0",
    "0@0 redo",
    "REDO_COPY ended",
    "DONE started",
]


def summary(record: CloneRecord) -> str:
    match record:
        case StateStarted(state):
            return f"{state.name} started"
        case StateEnded(state):
            return f"{state.name} ended"
        case FileAnnounced():
            return record.path
        case Block():
            return f"{record.index}@{record.offset} {bytes(record.payload).decode()}"
        case _:
            return f"{record.index} deleted" if record.deleted else f"→ {record.renamed_to}"


@contextmanager
def cloning(donor: Donor, workers: int = 0, **options: float) -> Iterator[CloneStream]:
    limits = SpoolLimits(patience_seconds=options.pop("patience_seconds", 5))
    with clone(
        donor.endpoint.connect,
        workers=workers,
        limits=limits,
        read_timeout_seconds=options.pop("read_timeout_seconds", 10),
        goodbye_seconds=3,
    ) as stream:
        yield stream


def taken_from(donor: Donor, workers: int = 0, **options: float) -> list[str]:
    with cloning(donor, workers, **options) as stream:
        return [summary(record) for record in stream.records()]


def running_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("clone-")}


COPY = small_copy()


def broken(position: int, *steps: Step) -> list[Step]:
    return [*COPY[:position], *steps, *COPY[position:]]
