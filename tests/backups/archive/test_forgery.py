"""What if somebody who can write the repository, or a newer version, wrote the bytes?"""

from __future__ import annotations

import struct
import tracemalloc
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard

from backups.archive.cipher import AesGcm, Cipher, SealedPart, Unencrypted
from backups.archive.compression import compress, decompress
from backups.archive.contents import Contents, StoredFile, StoredPack
from backups.archive.frames import MAX_RAW_BYTES, Extent, open_frame
from backups.archive.manifest import new_envelope, open_manifest, seal_manifest
from backups.archive.packs import HEADER, check_header
from backups.exceptions import ArchiveError
from tests.backups.archive.stores import (
    MIB,
    extract_backup,
    make_store,
    records_of,
    write_backup,
)

BACKUP = uuid.UUID("11111111-1111-4111-8111-111111111111")
GOOD_FILE = StoredFile(1, "shop/orders.ibd", 10, 10, 1, 1)
GOOD_PACK = StoredPack(1, 500, "0" * 64, 0, 1, 10)


def forge(
    *,
    files: list[Any] | None = None,
    packs: list[Any] | None = None,
    phases: list[Any] | None = None,
    about: dict[str, Any] | None = None,
    form: int = 1,
) -> bytes:
    """Build a manifest with a correct digest around whatever is given."""
    contents = Contents(
        [GOOD_FILE] if files is None else files,
        [GOOD_PACK] if packs is None else packs,
        [0] if phases is None else phases,
    )
    fields = about or {"uuid": str(BACKUP), "label": "x"}
    envelope = replace(new_envelope(BACKUP, "x", b"", None), format=form)
    return seal_manifest(envelope, fields, contents, Unencrypted())


def test_the_forgeries_below_start_from_a_good_manifest() -> None:
    opened, _ = open_manifest(forge(), None)
    assert list(opened.contents.files) == [GOOD_FILE]


@pytest.mark.parametrize(
    "path",
    ["../x", "a/../../x", "/etc/passwd", "a//b", "a/", "./a", "a/.", "..", "", "a\0b", "\ud800"],
)
def test_a_path_that_leads_out_is_refused(path: str) -> None:
    with pytest.raises(ArchiveError, match="file name"):
        open_manifest(forge(files=[GOOD_FILE._replace(path=path)]), None)


@pytest.mark.parametrize(
    "forged",
    [
        {"files": [GOOD_FILE, GOOD_FILE._replace(number=2)]},
        {"files": [GOOD_FILE, GOOD_FILE._replace(path="other")]},
        {"files": [GOOD_FILE._replace(size=-1)]},
        {"files": [GOOD_FILE._replace(size=1 << 63)]},
        {"files": [[1, "x", "10", 10, 1, 1]]},
        {"files": [[1, "x", True, 10, 1, 1]]},
        {"files": [[1, 7, 10, 10, 1, 1]]},
        {"files": [[1, "x"]]},
        {"packs": [GOOD_PACK._replace(number=2)]},
        {"packs": [GOOD_PACK._replace(first_frame=1)]},
        {"packs": [GOOD_PACK, GOOD_PACK]},
        {"phases": []},
        {"phases": [1]},
        {"phases": [0, 0]},
        {"phases": [0, 2]},
        {"phases": ["0"]},
        {"about": {"uuid": str(BACKUP), "label": "another"}},
        {"about": {"uuid": "22222222-2222-4222-8222-222222222222", "label": "x"}},
        {"about": {"label": "x"}},
        {"about": ["x"]},
    ],
    ids=str,
)
def test_a_manifest_no_writer_writes_is_refused(forged: dict[str, Any]) -> None:
    with pytest.raises(ArchiveError):
        open_manifest(forge(**forged), None)


def test_nothing_is_written_outside_the_target(tmp_path: Path) -> None:
    store = make_store(tmp_path / "r")
    folder = write_backup(store, records_of({"shop/orders.ibd": b"x", "..odd/...": b"y"}))

    extract_backup(store, folder, tmp_path / "out")

    assert {path.name for path in tmp_path.iterdir()} == {"r", "out"}


def test_a_newer_manifest_is_refused_with_a_hint() -> None:
    with pytest.raises(
        ArchiveError, match="format 3, this version reads formats up to 2"
    ) as raised:
        open_manifest(forge(form=3), None)
    assert "or a newer one." in raised.value.hint


def test_a_newer_pack_is_refused_with_a_hint() -> None:
    header = HEADER.pack(b"MOORPACK", 2, 0, 1, BACKUP.bytes)
    with pytest.raises(ArchiveError, match="format 2, this version reads format 1") as raised:
        check_header(header, 1, backup=BACKUP, cipher=Unencrypted())
    assert "or a newer one." in raised.value.hint


@pytest.mark.parametrize("cipher", [Unencrypted(), AesGcm(bytes(32))], ids=["plain", "sealed"])
@pytest.mark.parametrize("claimed", [4 * MIB + 1, 1 << 40])
def test_a_bomb_is_refused_before_it_takes_memory(cipher: Cipher, claimed: int) -> None:
    # A zstd frame whose header claims any size: magic, 8-byte content size, window.
    bomb = struct.pack("<IBBQ", 0xFD2FB528, 0b11000000, 0x58, claimed) + b"\x01\0\0"
    assert zstandard.frame_content_size(bomb) == claimed

    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError, match="the limit is"):
            decompress(bomb, limit=MAX_RAW_BYTES)
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("held", [9, 11, 64 * MIB])
def test_a_frame_that_holds_another_length_than_it_claims_is_refused(held: int) -> None:
    """The tag of an unencrypted frame can be made by anybody."""
    cipher, extent = Unencrypted(), Extent(1, 0, 10)
    table = struct.pack("<I", 1) + struct.pack("<IQI", *extent) + compress(bytes(held), 1)
    header = struct.pack("<4sIII", b"MFR1", len(table) + 16, 10, 0)
    frame = header + cipher.seal(SealedPart.FRAME, 0, table, header + BACKUP.bytes)

    with pytest.raises(ArchiveError, match="bytes"):
        open_frame(frame, backup=BACKUP, cipher=cipher)
