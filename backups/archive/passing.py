"""How do the stored bytes of a backup pass through this process unopened, and are they right?

What is passed on is compared with the manifest on the way: the SHA-256 of every pack, and the
digest of the manifest itself.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from backups.archive.manifest import manifest_digest
from backups.archive.manifest_file import read_manifest
from backups.archive.reader import DAMAGE_HINT, BackupReader
from backups.exceptions import ArchiveError

CHUNK_BYTES = 8 * 1024 * 1024
# Read ahead: a bucket answers each request late, and several at once.
CHUNKS_AHEAD = 4


def passing_pack(
    reader: BackupReader, number: int, pool: ThreadPoolExecutor, check: Callable[[], None]
) -> Iterator[bytes]:
    """Yield the bytes of a pack; ArchiveError at its end unless they are those of the manifest.

    At most ``CHUNKS_AHEAD`` chunks are in memory.
    """
    name, listed = reader.pack_object(number), reader.manifest.contents.packs[number - 1]
    seen = hashlib.sha256()
    running: deque[Future[bytes]] = deque()
    begun = 0
    try:
        while running or begun < listed.stored_bytes:
            while begun < listed.stored_bytes and len(running) < CHUNKS_AHEAD:
                length = min(CHUNK_BYTES, listed.stored_bytes - begun)
                running.append(pool.submit(reader.store.read, name, begun, length))
                begun += length
            check()
            chunk = running.popleft().result()
            seen.update(chunk)
            yield chunk
    finally:
        for future in running:
            future.cancel()
    if reader.store.size(name) != listed.stored_bytes or seen.hexdigest() != listed.sha256:
        raise ArchiveError(f"{name} is damaged: its SHA-256 does not match", hint=DAMAGE_HINT)


def passing_manifest(reader: BackupReader) -> bytes:
    """Return the manifest as it is stored, if it is still the one that was opened."""
    blob = read_manifest(reader.store, reader.folder)
    if manifest_digest(blob) != reader.manifest.digest:
        raise ArchiveError(f"the manifest in {reader.folder} was changed meanwhile")
    return blob
