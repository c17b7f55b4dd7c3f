"""Does a writer end cleanly however it ends, and stay small whatever it writes?"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest

from backups.archive.frame_pipeline import FRAMES_IN_FLIGHT_PER_THREAD, FRAMES_TO_SPARE
from backups.archive.meter import Meter
from backups.archive.records import Data, FileOpened, Record
from backups.exceptions import CancelRequested, RepositoryError
from backups.repositories.base import Upload
from backups.repositories.directory import DirectoryStore
from tests.backups.archive.stores import (
    MIB,
    make_store,
    make_writer,
    records_of,
    write_records,
)

FRAME = 4 * MIB
FILES = {f"t{n}.ibd": os.urandom(FRAME) for n in range(6)}


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


class Upset:
    """An upload that raises when so many bytes have been written, or when it is committed."""

    def __init__(self, upload: Upload, after_bytes: int | None) -> None:
        self._upload, self._left = upload, after_bytes

    def write(self, chunk: bytes) -> None:
        if self._left is not None:
            self._left -= len(chunk)
            if self._left < 0:
                raise RepositoryError("disk on fire")
        self._upload.write(chunk)

    def commit(self) -> None:
        if self._left is None:
            raise RepositoryError("disk on fire")
        self._upload.commit()

    def __enter__(self) -> Upset:
        self._upload.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._upload.__exit__(kind, error, trace)


class UpsetStore(DirectoryStore):
    """A store whose uploads fail; ``after_bytes`` None is when they are committed."""

    def __init__(self, root: Path, after_bytes: int | None) -> None:
        super().__init__(root)
        self._after_bytes = after_bytes

    def create(self, name: str) -> Upset:  # type: ignore[override]
        return Upset(super().create(name), self._after_bytes)


class FullStore(DirectoryStore):
    """A store that cannot even begin an object."""

    def create(self, name: str) -> Upload:  # type: ignore[override]
        raise RepositoryError("disk on fire")


def parts_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*.part")]


@pytest.mark.parametrize(
    ("after_bytes", "full_bytes"),
    [
        (None, 1),
        (None, 6 * MIB),
        (None, 100 * MIB),
        (0, 100 * MIB),
        (100, 1),
        (6 * MIB, 7 * MIB),
        (13 * MIB, 100 * MIB),
    ],
)
def test_a_store_that_fails_ends_everything(
    tmp_path: Path, after_bytes: int | None, full_bytes: int
) -> None:
    good = make_store(tmp_path / "good")
    make_store(tmp_path / "bad")
    stores = [good, UpsetStore(tmp_path / "bad", after_bytes)]
    writer = make_writer(stores, full_bytes=full_bytes)
    with pytest.raises(RepositoryError, match="disk on fire"):
        write_records(writer, records_of(FILES))
    assert parts_in(tmp_path) == []


def test_a_store_that_cannot_begin_leaves_nothing_in_the_others(tmp_path: Path) -> None:
    good = make_store(tmp_path / "good")
    with pytest.raises(RepositoryError, match="disk on fire"):
        write_records(make_writer([good, FullStore(tmp_path / "bad")]), records_of(FILES))
    assert parts_in(tmp_path) == []


@pytest.mark.parametrize("calls", [0, 1, 3, 5, 8])
def test_a_check_that_raises_ends_everything(tmp_path: Path, calls: int) -> None:
    left = iter(range(calls))

    def check() -> None:
        if next(left, None) is None:
            raise CancelRequested("a person requested it")

    writer = make_writer([make_store(tmp_path)], check=check, full_bytes=6 * MIB)
    with pytest.raises(CancelRequested):
        write_records(writer, records_of(FILES))
    assert parts_in(tmp_path) == []


def test_an_engine_that_raises_midway_leaves_nothing_unfinished(tmp_path: Path) -> None:
    def records() -> Iterator[Record]:
        yield from records_of(FILES)
        yield FileOpened(99, "half")
        raise OSError("connection reset")

    with pytest.raises(OSError, match="connection reset"):
        write_records(make_writer([make_store(tmp_path)]), records())
    assert parts_in(tmp_path) == []


def test_a_name_that_is_taken_ends_everything(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    write_records(make_writer([store]), records_of({"a": b"first"}))
    with pytest.raises(RepositoryError, match="File exists"):
        write_records(make_writer([store]), records_of({"a": b"second"}))
    assert parts_in(tmp_path) == []


def test_aborting_may_follow_anything(tmp_path: Path) -> None:
    writer = make_writer([make_store(tmp_path)])
    writer.abort()
    writer.abort()
    writer = make_writer([make_store(tmp_path / "second")])
    write_records(writer, records_of({"a": b"x"}))
    writer.abort()


class Gate:
    """An upload that lets nothing through until it is opened."""

    opened = threading.Event()

    def __init__(self, upload: Upload) -> None:
        self._upload = upload

    def write(self, chunk: bytes) -> None:
        assert self.opened.wait(30)
        self._upload.write(chunk)

    def commit(self) -> None:
        self._upload.commit()

    def __enter__(self) -> Gate:
        self._upload.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._upload.__exit__(kind, error, trace)


class GatedStore(DirectoryStore):
    def create(self, name: str) -> Gate:  # type: ignore[override]
        return Gate(super().create(name))


def test_a_slow_store_holds_the_engine_back(tmp_path: Path) -> None:
    """However fast the engine, only so many frames are in memory."""
    make_store(tmp_path)
    Gate.opened.clear()
    taken = 0
    waiting = threading.Event()
    bound = 2 * FRAMES_IN_FLIGHT_PER_THREAD + FRAMES_TO_SPARE

    def records() -> Iterator[Record]:
        nonlocal taken
        yield FileOpened(1, "big")
        for number in range(3 * bound):
            taken = number + 1
            if taken > bound:
                waiting.set()
            yield Data(1, number * FRAME, memoryview(bytes(FRAME)))

    writer = make_writer([GatedStore(tmp_path)])
    engine = threading.Thread(target=lambda: deque(map(writer.write, records()), maxlen=0))
    engine.start()
    assert waiting.wait(30)
    # It has handed over as many as may be in flight, and is held at the next one.
    engine.join(timeout=1)
    assert engine.is_alive()
    assert taken == bound + 1

    Gate.opened.set()
    engine.join(timeout=60)
    assert taken == 3 * bound
    writer.abort()


def test_the_meter_says_how_far_it_is(tmp_path: Path) -> None:
    meter = Meter()
    contents = write_records(make_writer([make_store(tmp_path)], meter=meter), records_of(FILES))

    assert (meter.raw_bytes, meter.files_done) == (len(FILES) * FRAME, len(FILES))
    assert 0 < meter.stored_bytes <= contents.stored_bytes
    assert meter.current_file == list(FILES)[-1]
