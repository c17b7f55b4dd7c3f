"""How do the packs of a stored backup get into another repository, byte for byte?

Several packs at once; each is hashed while it passes, and exists there only if its hash is the
manifest's. In memory are a piece for each thread and what the store buffers of its upload.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Lock

from backups.archive.contents import StoredPack
from backups.archive.meter import Meter
from backups.archive.packs import pack_name
from backups.archive.passing import passing_object
from backups.archive.reader import BackupReader
from backups.exceptions import ArchiveError
from backups.repositories.base import ObjectStore
from backups.repositories.sequential.store import sequential

# More only fill the memory: each upload to a bucket has parts of its own in flight.
MOST_THREADS = 4


class SourceDamaged(ArchiveError):
    """Bytes of the backup that is read are not those of its manifest."""


class _OtherFailed(Exception):
    """Another pack could not be copied: this one ends too."""


def copy_packs(
    reader: BackupReader,
    store: ObjectStore,
    folder: str,
    *,
    threads: int,
    check: Callable[[], None],
    meter: Meter,
) -> None:
    """Copy every pack into ``folder``. After any error what was written is incomplete."""
    copying = _Copying(reader, store, folder, check, meter)
    if sequential(reader.store) is not None or sequential(store) is not None:
        # A drive holds one tape.
        threads = 1
    with ThreadPoolExecutor(min(threads, MOST_THREADS), thread_name_prefix="pack") as pool:
        packs = [pool.submit(copying.copy, pack) for pack in reader.manifest.contents.packs]
        try:
            for pack in as_completed(packs):
                pack.result()
        except BaseException:
            copying.over = True
            pool.shutdown(cancel_futures=True)
            raise


class _Copying:
    def __init__(
        self,
        reader: BackupReader,
        store: ObjectStore,
        folder: str,
        check: Callable[[], None],
        meter: Meter,
    ) -> None:
        self._reader, self._store, self._folder = reader, store, folder
        self._check, self._meter, self._lock = check, meter, Lock()
        # Set where one pack failed.
        self.over = False

    def copy(self, pack: StoredPack) -> None:
        name = self._reader.pack_object(pack.number)
        self._meter.current_file = name
        target = f"{self._folder}/{pack_name(pack.number)}"
        if not self._is_there(target, pack):
            self._write(name, target, pack)
        with self._lock:
            self._meter.files_done += 1

    def _is_there(self, target: str, pack: StoredPack) -> bool:
        """Whether an earlier attempt has left the pack, where nothing may be deleted."""
        if not self._store.exists(target) or self._store.size(target) != pack.stored_bytes:
            return False
        digest = hashlib.sha256()
        for chunk in passing_object(self._store, target, pack.stored_bytes):
            self._stop_if_over()
            digest.update(chunk)
        if digest.hexdigest() != pack.sha256:
            return False
        self._count(pack.stored_bytes)
        return True

    def _write(self, name: str, target: str, pack: StoredPack) -> None:
        digest = hashlib.sha256()
        with self._store.create(target) as upload:
            for chunk in passing_object(self._reader.store, name, pack.stored_bytes):
                self._stop_if_over()
                digest.update(chunk)
                upload.write(chunk)
                self._count(len(chunk))
            if digest.hexdigest() != pack.sha256:
                raise SourceDamaged(f"{name} is damaged: its SHA-256 is not the manifest's")
            self._stop_if_over()
            upload.commit()

    def _stop_if_over(self) -> None:
        self._check()
        if self.over:
            raise _OtherFailed

    def _count(self, length: int) -> None:
        with self._lock:
            self._meter.raw_bytes += length
            self._meter.stored_bytes += length
