"""How is what a backup holds defined? Read from one of its copies, without a server.

Only the frames with those bytes are read.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from backups.archive.contents import StoredFile
from backups.archive.extract import extract
from backups.archive.meter import Meter
from backups.archive.reader import BackupReader
from backups.catalog.copies import open_chain
from backups.definitions.document import MOST_BYTES, PATH, Definitions, decode
from backups.exceptions import ArchiveError, Refused
from backups.models import BackupCopy
from backups.units import format_bytes


def load_definitions(copy: BackupCopy) -> Definitions | None:
    """Return the definitions in a backup; None where it was taken without any.

    MooringError where the repository or a key is unavailable, or the copy is damaged.
    """
    return read_definitions(open_chain(copy))


def read_definitions(
    chain: Sequence[BackupReader], *, most_bytes: int = MOST_BYTES
) -> Definitions | None:
    """Return the definitions in the last backup of an opened chain; Refused if they are longer."""
    listed = [file for file in chain[-1].manifest.contents.files if file.path == PATH]
    if not listed:
        return None
    _check_size(listed[0], most_bytes)
    settings.SPOOL_FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.SPOOL_FOLDER) as folder:
        extract(
            chain,
            Path(folder),
            threads=settings.COPY_THREADS,
            check=lambda: None,
            meter=Meter(),
            wanted=PATH.__eq__,
        )
        return decode((Path(folder) / PATH).read_bytes())


def _check_size(file: StoredFile, most_bytes: int) -> None:
    if file.size > MOST_BYTES:
        raise ArchiveError(f"{PATH} has {file.size} bytes, more than any definitions")
    if file.size > most_bytes:
        raise Refused(
            f"the definitions have {format_bytes(file.size)}, more than a page reads",
            hint="Read them on a terminal: showdefinition.",
        )
