"""Can everything still be read that format 1 ever wrote?

``tests/data/repository-format-1`` was written by the version that introduced the format, and
is never written again. Where a test here fails, the format has changed: it needs a new number.
"""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import zstandard

from backups.archive.extract import extract
from backups.archive.keys import parse_keyring
from backups.archive.meter import Meter
from backups.archive.reader import BackupReader
from backups.archive.verify import verify
from backups.repositories.directory import DirectoryStore
from backups.repositories.layout import INSTANCES, folder_of_manifest
from tests.backups.archive.stores import contents_of, never_stop

GOLDEN = Path(__file__).parents[2] / "data" / "repository-format-1"
REPOSITORY, KEY_FILE = GOLDEN / "repository", GOLDEN / "backup.key"
SCRIPT = Path(__file__).parents[3] / "scripts" / "extract_backup.py"
LABELS = ["golden@20260302T010000Z-F", "golden@20260303T010000Z-F"]  # sealed, unencrypted
EXPECTED = {
    "ibdata1": b"dictionary" * 500,
    # A hole before, two phases behind.
    "shop/orders.ibd": bytes(32768) + b"new" + b"o" * 4093 + bytes(4096),
    "shop/empty.isl": b"",
    "odd/na me ü.MYD": b"renamed",
}


def reader_of(label: str) -> BackupReader:
    store = DirectoryStore(REPOSITORY)
    folders = [f for name in store.list(INSTANCES) if (f := folder_of_manifest(name))]
    [folder] = [folder for folder in folders if folder.endswith(label)]
    return BackupReader(store, folder, parse_keyring(KEY_FILE.read_text(), source="golden"))


def test_the_repository_is_one() -> None:
    identity = DirectoryStore(REPOSITORY).identity()
    assert (identity.uuid, identity.format_version) == ("00000000-0000-4000-8000-0000000000aa", 1)


@pytest.mark.parametrize("label", LABELS)
def test_the_reader_opens_format_1(tmp_path: Path, label: str) -> None:
    reader = reader_of(label)

    assert verify(reader, threads=1, check=never_stop, meter=Meter()).damages == []
    extract([reader], tmp_path, threads=1, check=never_stop, meter=Meter())
    assert contents_of(tmp_path) == EXPECTED
    assert reader.manifest.about["facts"]["gtid_executed"] == "0-1-42"
    assert len(reader.manifest.contents.packs) > 1


@pytest.mark.parametrize("label", LABELS)
def test_the_program_without_mooring_opens_format_1(tmp_path: Path, label: str) -> None:
    argv = [
        sys.executable,
        "-I",
        SCRIPT,
        REPOSITORY,
        "--label",
        label,
        "--key-file",
        KEY_FILE,
        "--allow-plain",
    ]
    subprocess.run([*map(str, argv), "--to", str(tmp_path)], check=True, capture_output=True)
    assert contents_of(tmp_path) == EXPECTED


def test_a_footer_is_as_the_document_says() -> None:
    """Read by hand, from section 5 of docs/format.md: extract_backup.py has no need of it."""
    reader = reader_of(LABELS[1])
    listed = reader.manifest.contents.packs[0]
    pack = (REPOSITORY / reader.pack_object(1)).read_bytes()
    assert (len(pack), hashlib.sha256(pack).hexdigest()) == (listed.stored_bytes, listed.sha256)

    header, trailer = pack[:32], pack[-24:]
    assert header == b"MOORPACK" + struct.pack("<HHI", 1, 0, 1) + reader.backup.bytes
    offset, length, checksum = struct.unpack("<QII", trailer[:16])
    assert (checksum, trailer[16:]) == (zlib.crc32(trailer[:12]), b"MOOR-END")
    assert offset + length + 24 == len(pack)

    sealed = pack[offset : offset + length]
    bound = struct.pack("<IQ", 2, 1) + struct.pack("<I", 32) + header
    assert hashlib.sha256(bound + sealed[:-16]).digest()[:16] == sealed[-16:]
    footer = json.loads(zstandard.ZstdDecompressor().decompress(sealed[:-16]))
    frame, at, stored, raw, extents = footer["frames"][0]
    assert (frame, at, raw) == (0, 32, sum(length for _, _, length in extents))
    assert pack[at : at + 4] == b"MFR1"
    assert at + stored <= offset
    assert set(footer["paths"]) == {str(file) for file, _, _ in extents}
