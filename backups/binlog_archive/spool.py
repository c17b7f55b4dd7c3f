"""Where in the state folder do received binlogs wait, and what is there of a timeline?"""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from django.conf import settings

from backups.binlogs.segments.names import file_number
from backups.exceptions import BinlogDamaged


def spool_folder(instance: UUID, timeline: UUID) -> Path:
    """Return the folder of a timeline; each file in it is identical to the source's."""
    return Path(settings.BINLOG_FOLDER) / str(instance) / str(timeline)


def received_files(folder: Path) -> list[Path]:
    """Return the binlogs in a folder of the spool, oldest first."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if _is_binlog(path.name)), key=_number)


def _number(path: Path) -> int:
    return file_number(path.name)


def _is_binlog(name: str) -> bool:
    try:
        file_number(name)
    except BinlogDamaged:
        return False
    return True
