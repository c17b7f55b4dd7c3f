"""Where may a restore write, and which job owns a partly restored folder?

A restore marks the folder it fills with a file. Only a folder with the mark of a job is ever
emptied for that job: anything put there in its place stays.
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
# Prepare writes redo and undo logs of its own, and rolls back inside the files.
ROOM_FACTOR = 1.1
RESERVE_BYTES = 64 * 1024 * 1024


def claim_folder(target: Path, job_id: int) -> None:
    """Create ``target`` if it is missing, and mark it as this job's.

    Raises FileExistsError if another restore has marked it first.
    """
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(target / MARK, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(str(job_id))


def hand_over_folder(target: Path) -> None:
    """Remove the mark: the folder is complete, and the job may no longer remove it."""
    (target / MARK).unlink()


def release_folder(target: Path, job_id: int) -> bool:
    """Remove a marked folder and its content; False if it is not this job's or is missing.

    The mark is removed last, so that an interrupted removal can be finished later.
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
    # A file put there in the meantime stays.
    with contextlib.suppress(OSError):
        target.rmdir()
    return True


def room_needed(raw_bytes: int) -> int:
    """Return the space a restore of ``raw_bytes`` takes on the target's disk."""
    return int(raw_bytes * ROOM_FACTOR) + RESERVE_BYTES


def check_room(target: Path, raw_bytes: int) -> str:
    """Return the needed and the free space as text, or raise Refused if it is too little."""
    need = room_needed(raw_bytes)
    free = shutil.disk_usage(nearest_folder(target)).free
    if free < need:
        raise Refused(
            f"{target} needs {format_bytes(need)}, {format_bytes(free)} free",
            hint="Free space there or restore to another disk; nothing was written.",
        )
    return f"{format_bytes(need)} needed, {format_bytes(free)} free"


def check_server(copy: BackupCopy, server_program: str, *, starts: bool) -> str:
    """Return which programs will open the files; Refused if none fits."""
    engine = engine_named(copy.backup.engine)
    return engine.check_restore(facts_of(copy.backup), server_program, starts=starts)


def refuse_target(target: Path) -> None:
    """Raise Refused unless a restore may write to ``target``."""
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
            hint="Give a new or empty folder; nothing in it was changed.",
        )
    for repository in Repository.objects.all():
        if target.resolve().is_relative_to(Path(repository.path).resolve()):
            raise Refused(f"{target} is inside repository {repository}")


def nearest_folder(path: Path) -> Path:
    """Return the closest existing folder above ``path``, which is on the same disk."""
    while not path.is_dir():
        path = path.parent
    return path
