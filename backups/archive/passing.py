"""How do the stored bytes of a backup pass through this process unopened?

Whoever takes them compares them with the manifest: the SHA-256 of every pack, and the digest of the
manifest itself. No key is needed for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from backups.archive.manifest import manifest_digest
from backups.archive.manifest_file import read_manifest
from backups.archive.reader import BackupReader
from backups.exceptions import ArchiveError
from backups.repositories.base import ObjectStore
from backups.repositories.sequential.store import sequential

CHUNK_BYTES = 4 * 1024 * 1024
# Read ahead: a bucket answers each request late, and several at once.
CHUNKS_AHEAD = 4


def passing_object(
    store: ObjectStore, name: str, size: int, pool: ThreadPoolExecutor | None = None
) -> Iterator[bytes]:
    """Yield an object of ``size`` bytes in chunks; with ``pool`` some are read ahead.

    Media that are read from the beginning are read once.
    """
    if (media := sequential(store)) is not None:
        with media.stream(name) as stream:
            for offset in range(0, size, CHUNK_BYTES):
                yield stream.read(min(CHUNK_BYTES, size - offset))
            stream.finish()
    elif pool is None:
        for offset in range(0, size, CHUNK_BYTES):
            yield store.read(name, offset, min(CHUNK_BYTES, size - offset))
    else:
        yield from _read_ahead(store, name, size, pool)


def passing_manifest(reader: BackupReader) -> bytes:
    """Return the manifest as it is stored, if it is still the one that was opened."""
    blob = read_manifest(reader.store, reader.folder)
    if manifest_digest(blob) != reader.manifest.digest:
        raise ArchiveError(
            f"the manifest in {reader.folder} was changed meanwhile",
            hint="Find out who changed it, and read another copy.",
        )
    return blob


def _read_ahead(
    store: ObjectStore, name: str, size: int, pool: ThreadPoolExecutor
) -> Iterator[bytes]:
    running: deque[Future[bytes]] = deque()
    offset = 0
    try:
        while running or offset < size:
            while offset < size and len(running) < CHUNKS_AHEAD:
                length = min(CHUNK_BYTES, size - offset)
                running.append(pool.submit(store.read, name, offset, length))
                offset += length
            yield running.popleft().result()
    finally:
        for future in running:
            future.cancel()
