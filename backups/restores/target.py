"""Where may a restore write, and whose is a half-restored folder?

A restore marks the folder it fills with a file of its own. Only a folder with the mark of a
job is ever emptied for that job: what somebody else put there in its place stays.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from backups.catalog.facts import facts_of
from backups.engines import engine_named
from backups.exceptions import BadInput, Refused
from backups.models import BackupCopy, Repository
from backups.programs.private_server import occupant
from backups.units import format_bytes

MARK = ".mooring-restore"
# Preparing writes redo and undo of its own, and rolls back into the files.
ROOM_FACTOR = 1.1
RESERVE_BYTES = 64 * 1024 * 1024


def claim_folder(target: Path, job_id: int) -> None:
    """Make ``target`` where it is missing, and mark it as this job's.

    FileExistsError when another restore has marked it first.
    """
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(target / MARK, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(str(job_id))


def hand_over_folder(target: Path) -> None:
    """Take the mark away: the folder is complete, and no longer ours to remove."""
    (target / MARK).unlink()


def release_folder(target: Path, job_id: int) -> bool:
    """Remove a marked folder and all in it; False where it is not this job's, or not there.

    The mark goes last, so that a removal that was cut short can be finished later.
    """
    try:
        if (target / MARK).read_text(encoding="ascii", errors="replace") != str(job_id):
            return False
    except (FileNotFoundError, NotADirectoryError):
        return False
    for entry in target.iterdir():
        if entry.name == MARK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    (target / MARK).unlink()
    # Someone may have put a file there in the meantime: it stays.
    with contextlib.suppress(OSError):
        target.rmdir()
    return True


def room_needed(raw_bytes: int) -> int:
    """How much a restore of so many bytes takes on the target's disk."""
    return int(raw_bytes * ROOM_FACTOR) + RESERVE_BYTES


def check_room(target: Path, raw_bytes: int) -> str:
    """Say what is needed and what is free, or raise Refused where that is too little."""
    need = room_needed(raw_bytes)
    free = shutil.disk_usage(nearest_folder(target)).free
    if free < need:
        raise Refused(
            f"{target} needs {format_bytes(need)}, {format_bytes(free)} are free",
            hint="Free space there or restore to another disk; nothing was written.",
        )
    return f"{format_bytes(need)} needed, {format_bytes(free)} free"


def check_server(copy: BackupCopy, server_program: str, *, starts: bool) -> str:
    """Say which programs will be let at the files; Refused where none fits them."""
    engine = engine_named(copy.backup.engine)
    return engine.check_restore(facts_of(copy.backup), server_program, starts=starts)


def refuse_target(target: Path) -> None:
    """Raise Refused unless ``target`` is a place a restore may fill."""
    if not target.is_absolute():
        raise BadInput(f"target {target} is not an absolute path")
    if target.exists() and not target.is_dir():
        raise Refused(f"{target} is not a folder")
    if target.is_dir() and (pid := occupant(target)):
        raise Refused(
            f"{target} is the data directory of a running server, pid {pid}",
            hint="Stop that server and move its folder away, or restore elsewhere.",
        )
    if target.is_dir() and any(target.iterdir()):
        raise Refused(
            f"{target} is not empty",
            hint="Give a new or empty folder; nothing in it was touched.",
        )
    for repository in Repository.objects.all():
        if target.resolve().is_relative_to(Path(repository.path).resolve()):
            raise Refused(f"{target} is inside repository {repository}")


def nearest_folder(path: Path) -> Path:
    """Return the closest folder above ``path`` that exists: the disk it will be on."""
    while not path.is_dir():
        path = path.parent
    return path
