"""A manifest of any size takes little memory: it is compared before it is opened."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path

import pytest

from backups.archive.compression import compress
from backups.archive.enveloped import SKIPPABLE
from backups.archive.identity import CopyIdentity
from backups.archive.manifest import MAX_MANIFEST_BYTES, manifest_digest, open_manifest
from backups.archive.manifest_file import read_manifest
from backups.archive.reader import BackupReader
from backups.exceptions import ArchiveError, CopyChanged
from backups.repositories.directory import DirectoryStore
from backups.repositories.layout import manifest_name
from scripts import extract_backup
from tests.backups.archive.test_fuzz import ABOUT, BACKUP, CONTENTS, bounded, sealed

FOLDER = "instances/a/backups/x"
GOOD = sealed({"about": ABOUT, "contents": CONTENTS})


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / manifest_name(FOLDER)
    path.parent.mkdir(parents=True)
    return path


def put_many_rows(manifest: Path) -> None:
    """Put a manifest of 1 MiB, with a right SHA-256, whose body is 45 MiB of rows."""
    rows = b",".join([b'[1,"a",0,0,0,0]'] * 3_000_000)
    body = compress(b'{"about":{},"contents":{"files":[' + rows + b"]}}", 3)
    _, length = SKIPPABLE.unpack_from(GOOD)
    front = GOOD[: SKIPPABLE.size + length] + body + bytes(1 << 20)
    digest = hashlib.sha256(front).digest()
    manifest.write_bytes(front + SKIPPABLE.pack(0x184D2A52, len(digest)) + digest)
    # Packs that would account for it, and take no room.
    (manifest.parent / "packs").mkdir()
    os.truncate(_touched(manifest.parent / "packs" / "000001.pack"), 1 << 40)


def _touched(path: Path) -> Path:
    path.touch()
    return path


def test_another_one_than_registered_is_refused_unopened(tmp_path: Path, manifest: Path) -> None:
    put_many_rows(manifest)
    expected = CopyIdentity(
        label="x",
        instance=uuid.UUID(ABOUT["instance"]["uuid"]),
        backup=BACKUP,
        encrypted=False,
        digest=manifest_digest(GOOD),
    )
    with bounded(8 << 20), pytest.raises(CopyChanged, match="has changed since"):
        BackupReader(DirectoryStore(tmp_path), FOLDER, None, expected)


def test_a_file_larger_than_any_manifest_is_not_read(tmp_path: Path, manifest: Path) -> None:
    store = DirectoryStore(tmp_path)
    os.truncate(_touched(manifest), MAX_MANIFEST_BYTES + 1)
    with bounded(1 << 20), pytest.raises(ArchiveError, match="a manifest at most"):
        read_manifest(store, FOLDER)
    with bounded(1 << 20), pytest.raises(ArchiveError, match="a manifest at most"):
        BackupReader(store, FOLDER, None)


def test_the_extractor_does_not_read_it_either(manifest: Path) -> None:
    os.truncate(_touched(manifest), extract_backup.MAX_MANIFEST + 1)
    assert extract_backup.MAX_MANIFEST == MAX_MANIFEST_BYTES
    with bounded(1 << 20), pytest.raises(extract_backup.DamagedError, match="larger than any"):
        extract_backup.read_envelope(manifest)


def test_the_largest_is_held_in_memory_once(tmp_path: Path, manifest: Path) -> None:
    os.truncate(_touched(manifest), MAX_MANIFEST_BYTES)
    with (
        bounded(MAX_MANIFEST_BYTES + (1 << 20)),
        pytest.raises(ArchiveError, match="not a manifest"),
    ):
        BackupReader(DirectoryStore(tmp_path), FOLDER, None)


def test_a_long_envelope_is_not_parsed() -> None:
    text = b"[" * (1 << 20)
    front = SKIPPABLE.pack(0x184D2A50, len(text)) + text
    digest = hashlib.sha256(front).digest()
    with pytest.raises(ArchiveError, match="envelope has 1048576 bytes"):
        open_manifest(front + SKIPPABLE.pack(0x184D2A52, len(digest)) + digest, None)
