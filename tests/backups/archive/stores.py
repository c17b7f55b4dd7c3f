"""Backups written in a moment, for tests that read, damage or forge them."""

from __future__ import annotations

import base64
import importlib.util
import os
import sys
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

from backups.archive.blocks.differences import Differences
from backups.archive.blocks.reading import StoredTable
from backups.archive.cipher import AesGcm, Cipher, Unencrypted
from backups.archive.contents import Contents
from backups.archive.extract import extract
from backups.archive.keys import KeyEncryptionKey, Keyring
from backups.archive.manifest import new_envelope, seal_manifest
from backups.archive.meter import Meter
from backups.archive.packs import FULL_BYTES
from backups.archive.reader import BackupReader
from backups.archive.records import Data, FileClosed, FileOpened, Record
from backups.archive.verify import VerifyReport, verify
from backups.archive.writer import ArchiveWriter
from backups.pacing.limiter import Limiter
from backups.repositories.base import Identity, ObjectStore
from backups.repositories.directory import DirectoryStore
from backups.repositories.layout import FORMAT_VERSION, backup_folder, manifest_name

KEYRING = Keyring((KeyEncryptionKey(bytes(range(32))),))
INSTANCE = UUID("00000000-0000-4000-8000-000000000001")
LABEL = "orders-1@20260302T010000Z-F"
SCRIPT = Path(__file__).parents[3] / "scripts" / "extract_backup.py"
KIB = 1024
MIB = 1024 * 1024


def never_stop() -> None:
    """A check that lets everything go on."""


def records_of(files: dict[str, bytes], piece: int = MIB) -> Iterable[Record]:
    """One file after the other, each in pieces of that many bytes."""
    for number, (path, content) in enumerate(files.items(), start=1):
        yield FileOpened(number, path)
        for offset in range(0, len(content), piece):
            yield Data(number, offset, memoryview(content[offset : offset + piece]))
        yield FileClosed(number, len(content))


def make_store(folder: Path) -> DirectoryStore:
    store = DirectoryStore(folder)
    store.initialise(Identity(str(uuid.uuid4()), FORMAT_VERSION))
    return store


def make_writer(
    stores: Sequence[ObjectStore],
    *,
    label: str = LABEL,
    backup: UUID | None = None,
    cipher: Cipher | None = None,
    check: Callable[[], None] = never_stop,
    meter: Meter | None = None,
    full_bytes: int = FULL_BYTES,
    base: StoredTable | None = None,
    differences: Differences | None = None,
) -> ArchiveWriter:
    return ArchiveWriter(
        stores,
        backup_folder(INSTANCE, label),
        backup=backup or uuid.uuid4(),
        cipher=cipher or Unencrypted(),
        threads=2,
        level=1,
        check=check,
        meter=meter or Meter(),
        pace=Limiter(),
        full_bytes=full_bytes,
        base=base,
        differences=differences,
    )


def write_records(writer: ArchiveWriter, records: Iterable[Record]) -> Contents:
    """What the copy stage does with a writer."""
    try:
        for record in records:
            writer.write(record)
        return writer.finish()
    except BaseException:
        writer.abort()
        raise


def write_backup(
    stores: ObjectStore | Sequence[ObjectStore],
    records: Iterable[Record],
    *,
    label: str = LABEL,
    encrypted: bool = True,
    full_bytes: int = FULL_BYTES,
    backup: UUID | None = None,
    about: dict[str, Any] | None = None,
    base: BackupReader | None = None,
    differences: Differences | None = None,
) -> str:
    """Write a whole backup and return its folder."""
    stores = stores if isinstance(stores, Sequence) else [stores]
    backup, data_key = backup or uuid.uuid4(), os.urandom(32)
    cipher: Cipher = AesGcm(data_key) if encrypted else Unencrypted()
    writer = make_writer(
        stores,
        label=label,
        backup=backup,
        cipher=cipher,
        full_bytes=full_bytes,
        base=None if base is None else StoredTable(base),
        differences=differences,
    )
    contents = write_records(writer, records)
    envelope = new_envelope(backup, label, data_key, KEYRING.current if encrypted else None)
    fields = {"uuid": str(backup), "label": label, **(about or {})}
    folder = backup_folder(INSTANCE, label)
    for store in stores:
        with store.create(manifest_name(folder)) as upload:
            upload.write(seal_manifest(envelope, fields, contents, cipher))
            upload.commit()
    return folder


def open_backup(store: ObjectStore, folder: str) -> BackupReader:
    return BackupReader(store, folder, KEYRING)


def verify_backup(store: ObjectStore, folder: str) -> VerifyReport:
    return verify(open_backup(store, folder), threads=2, check=never_stop, meter=Meter())


def extract_backup(
    store: ObjectStore,
    folder: str,
    target: Path,
    wanted: Callable[[str], bool] = lambda path: True,
    needs: Sequence[str] = (),
) -> dict[str, bytes]:
    """Extract into ``target``, which is made, and return what is in it.

    ``needs`` are the folders of the backups it is based on, the full one first.
    """
    target.mkdir()
    chain = [open_backup(store, each) for each in (*needs, folder)]
    extract(chain, target, threads=2, check=never_stop, meter=Meter(), wanted=wanted)
    return contents_of(target)


def contents_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def write_key_file(path: Path, *keys: KeyEncryptionKey) -> Path:
    """Write a key file as a person would have saved it."""
    lines = (f"mooring-key-1 {base64.b64encode(key.material).decode()}\n" for key in keys)
    path.write_text("# saved on paper too\n" + "".join(lines))
    path.chmod(0o600)
    return path


def load_extractor() -> ModuleType:
    """The program without Mooring as a module: it starts at once, and its disk can be made fail."""
    found = importlib.util.spec_from_file_location("extract_backup", SCRIPT)
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    sys.modules["extract_backup"] = module
    try:
        found.loader.exec_module(module)
    finally:
        del sys.modules["extract_backup"]
    return module
