"""Backups written in a moment, for tests that damage or read them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from backups.archive.cipher import AesGcm, Cipher, Unencrypted
from backups.archive.keys import KeyEncryptionKey, Keyring
from backups.archive.layout import FORMAT_VERSION, backup_folder, manifest_name
from backups.archive.manifest import new_envelope, seal_manifest
from backups.archive.meter import Meter
from backups.archive.pace import Pace
from backups.archive.reader import BackupReader
from backups.archive.records import Data, FileClosed, FileOpened, Record
from backups.archive.writer import ArchiveWriter
from backups.repositories.base import Identity
from backups.repositories.directory import DirectoryStore

KEYRING = Keyring((KeyEncryptionKey(bytes(range(32))),))
INSTANCE = UUID("00000000-0000-4000-8000-000000000001")


def never_stop() -> None:
    """A check that lets everything go on."""


def records_of(files: dict[str, bytes], piece: int = 1 << 20) -> Iterable[Record]:
    for number, (path, content) in enumerate(files.items(), start=1):
        yield FileOpened(number, path)
        for offset in range(0, len(content), piece):
            yield Data(number, offset, memoryview(content[offset : offset + piece]))
        yield FileClosed(number, len(content))


def make_store(folder: Path) -> DirectoryStore:
    store = DirectoryStore(folder)
    store.initialise(Identity(str(uuid.uuid4()), FORMAT_VERSION))
    return store


def write_backup(
    store: DirectoryStore,
    records: Iterable[Record],
    *,
    label: str = "orders-1@20260302T010000Z-F",
    encrypted: bool = True,
) -> str:
    """Write a whole backup and return its folder."""
    backup = uuid.uuid4()
    folder = backup_folder(INSTANCE, label)
    data_key = os.urandom(32)
    cipher: Cipher = AesGcm(data_key) if encrypted else Unencrypted()
    writer = ArchiveWriter(
        [store],
        folder,
        backup=backup,
        cipher=cipher,
        threads=2,
        level=1,
        check=never_stop,
        meter=Meter(),
        pace=Pace(0),
    )
    try:
        for record in records:
            writer.write(record)
        contents = writer.finish()
    except BaseException:
        writer.abort()
        raise
    envelope = new_envelope(backup, label, data_key, KEYRING.current if encrypted else None)
    about = {"uuid": str(backup), "label": label}
    with store.create(manifest_name(folder)) as upload:
        upload.write(seal_manifest(envelope, about, contents, cipher))
        upload.commit()
    return folder


def open_backup(store: DirectoryStore, folder: str) -> BackupReader:
    return BackupReader(store, folder, KEYRING)
