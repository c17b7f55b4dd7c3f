"""How are a backup and all that it needs written into one file?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from backups.archive.meter import Meter
from backups.archive.passing import CHUNKS_AHEAD, passing_manifest, passing_object
from backups.archive.reader import DAMAGE_HINT, BackupReader
from backups.exceptions import ArchiveError
from backups.repositories.base import Identity
from backups.repositories.exported.members import BLOCK
from backups.repositories.exported.writer import ExportWriter
from backups.repositories.identity import identity_line
from backups.repositories.layout import IDENTITY_NAME, manifest_name


def exported_bytes(chain: Sequence[BackupReader]) -> int:
    """Return how large the file will be, a little more at most."""
    packs = sum(reader.manifest.contents.stored_bytes for reader in chain)
    members = sum(len(reader.manifest.contents.packs) + 1 for reader in chain) + 1
    return packs + sum(reader.manifest_bytes for reader in chain) + 2 * BLOCK * (members + 1)


def export_chain(
    chain: Sequence[BackupReader],
    identity: Identity,
    writer: ExportWriter,
    *,
    check: Callable[[], None],
    meter: Meter,
) -> None:
    """Write the backups in their order, each with its manifest after its packs."""
    line = identity_line(identity)
    writer.add(IDENTITY_NAME, len(line), [line])
    meter.raw_bytes_total = exported_bytes(chain)
    meter.files_total = sum(len(reader.manifest.contents.packs) for reader in chain)
    with ThreadPoolExecutor(CHUNKS_AHEAD) as pool:
        for reader in chain:
            _export(reader, writer, pool, check, meter)


def _export(
    reader: BackupReader,
    writer: ExportWriter,
    pool: ThreadPoolExecutor,
    check: Callable[[], None],
    meter: Meter,
) -> None:
    for pack in reader.manifest.contents.packs:
        meter.current_file = reader.pack_object(pack.number)
        digest = hashlib.sha256()
        chunks = passing_object(reader.store, meter.current_file, pack.stored_bytes, pool)
        counted = _counted(chunks, meter, check, digest.update)
        writer.add(meter.current_file, pack.stored_bytes, counted)
        if digest.hexdigest() != pack.sha256:
            raise ArchiveError(
                f"{meter.current_file} is damaged: its SHA-256 does not match", hint=DAMAGE_HINT
            )
        meter.files_done += 1
    blob = passing_manifest(reader)
    writer.add(manifest_name(reader.folder), len(blob), [blob])


def _counted(
    chunks: Iterable[bytes],
    meter: Meter,
    check: Callable[[], None],
    hash_bytes: Callable[[bytes], None],
) -> Iterator[bytes]:
    for chunk in chunks:
        check()
        hash_bytes(chunk)
        meter.raw_bytes += len(chunk)
        yield chunk
