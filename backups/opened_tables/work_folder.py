"""Where are a few tables opened, and who removes that folder after a kill?

A folder below the scratch folder, whose name tells which process of which host made it: when that
process is gone, whoever clears up removes it. The private server on it ends with its process.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from backups.runners.groups import START_TOLERANCE_SECONDS, start_time

logger = logging.getLogger(__name__)

_PREFIX = "opened-"
_NAME = re.compile(rf"{_PREFIX}(?P<host>[\w.-]+)-(?P<pid>\d+)-(?P<began>\d+)-[0-9a-f]{{8}}")


@contextmanager
def work_folder() -> Iterator[Path]:
    """Make a folder of this process, closed to others; leaving it removes it."""
    folder = make_work_folder()
    try:
        yield folder
    finally:
        remove_work_folder(folder)


def make_work_folder() -> Path:
    """Make one that somebody removes later; if nobody does, whoever clears up."""
    scratch = Path(settings.SCRATCH_FOLDER)
    scratch.mkdir(mode=0o755, parents=True, exist_ok=True)
    began = int(start_time(os.getpid()))
    folder = scratch / f"{_PREFIX}{_host()}-{os.getpid()}-{began}-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    return folder


def remove_work_folder(folder: Path) -> None:
    """Remove it, where there is one."""
    shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned() -> int:
    """Remove the folders of processes of this host that have ended; return how many."""
    removed = 0
    with suppress(FileNotFoundError):
        for folder in Path(settings.SCRATCH_FOLDER).iterdir():
            if folder.is_symlink() or not folder.is_dir() or not _is_abandoned(folder.name):
                continue
            shutil.rmtree(folder, ignore_errors=True)
            if folder.exists():
                # Tried again; what it says must not hide the rest.
                continue
            removed += 1
            logger.info(
                "%s: removed, its process has ended", folder, extra={"action": "opened_removed"}
            )
    return removed


@dataclass(frozen=True, slots=True)
class ForeignFolder:
    """A folder in which another host opened tables, on a disk that both use."""

    folder: Path
    host: str
    made_at: datetime


def list_foreign() -> Sequence[ForeignFolder]:
    """Return the folders of other hosts; whether their processes run is known there only.

    A host that is gone never removes its own: whoever knows that does.
    """
    found = []
    with suppress(FileNotFoundError):
        for folder in sorted(Path(settings.SCRATCH_FOLDER).iterdir()):
            match = _NAME.fullmatch(folder.name)
            if match is None or match["host"] == _host():
                continue
            with suppress(FileNotFoundError):
                made = datetime.fromtimestamp(folder.lstat().st_mtime, UTC)
                found.append(ForeignFolder(folder, match["host"], made))
    return found


def _is_abandoned(name: str) -> bool:
    match = _NAME.fullmatch(name)
    # The whole name: that of another host may begin like ours.
    if match is None or match["host"] != _host():
        return False
    began = start_time(int(match["pid"]))
    return not began or abs(began - int(match["began"])) > START_TOLERANCE_SECONDS


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9.]", "-", socket.gethostname())
