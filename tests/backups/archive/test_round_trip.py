"""What was written comes back, whatever its size, shape and order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backups.archive import packs
from backups.archive.extract import extract
from backups.archive.meter import Meter
from backups.archive.records import Data, FileClosed, FileOpened, PhaseStarted, Record
from backups.archive.verify import verify
from backups.exceptions import ArchiveError
from tests.backups.archive.stores import (
    make_store,
    never_stop,
    open_backup,
    records_of,
    write_backup,
)

MIB = 1 << 20
FILES = {
    "ibdata1": os.urandom(5 * MIB + 17),
    "shop/orders.ibd": bytes(9 * MIB) + os.urandom(4096) + bytes(3 * MIB),
    "shop/orders.frm": b"frm",
    "shop/empty.isl": b"",
    "odd/na me 'q\" #ü.MYD": b"x" * 70_000,
}


def extracted(store_folder: Path, target: Path, folder: str) -> dict[str, bytes]:
    reader = open_backup(make_existing(store_folder), folder)
    target.mkdir()
    extract(reader, target, threads=2, check=never_stop, meter=Meter())
    return {
        path.relative_to(target).as_posix(): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file()
    }


def make_existing(folder: Path):  # type: ignore[no-untyped-def]
    from backups.repositories.directory import DirectoryStore

    return DirectoryStore(folder)


@pytest.mark.parametrize("encrypted", [True, False])
def test_files_come_back_byte_for_byte(tmp_path: Path, encrypted: bool) -> None:
    store = make_store(tmp_path / "r")
    folder = write_backup(store, records_of(FILES), encrypted=encrypted)

    assert extracted(tmp_path / "r", tmp_path / "out", folder) == FILES
    report = verify(open_backup(store, folder), threads=2, check=never_stop, meter=Meter())
    assert report.damages == []
    assert report.files == len(FILES)
