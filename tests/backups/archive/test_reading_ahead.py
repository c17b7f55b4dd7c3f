"""Of a distant store several frames are requested at the same time."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from backups.archive.extract import READS_AT_ONCE, extract
from backups.archive.meter import Meter
from backups.repositories.directory import DirectoryStore
from tests.backups.archive.stores import (
    MIB,
    contents_of,
    make_store,
    never_stop,
    open_backup,
    records_of,
    write_backup,
)

FILES = {f"shop/t{number}.ibd": os.urandom(5 * MIB) for number in range(READS_AT_ONCE)}


class FarStore(DirectoryStore):
    """No read of a frame ends before so many are going on."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.going_on = 0
        self.enough = threading.Event()
        self._lock = threading.Lock()

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        if length and length > MIB:
            with self._lock:
                self.going_on += 1
                if self.going_on == READS_AT_ONCE:
                    self.enough.set()
            assert self.enough.wait(20), f"{self.going_on} frames are read at the same time"
        return super().read(name, offset, length)


def test_frames_are_read_ahead_of_the_threads_that_write(tmp_path: Path) -> None:
    made = write_backup(make_store(tmp_path / "repository"), records_of(FILES))
    reader = open_backup(FarStore(tmp_path / "repository"), made)
    target = tmp_path / "restored"
    target.mkdir()
    extract([reader], target, threads=1, check=never_stop, meter=Meter())
    assert contents_of(target) == FILES
