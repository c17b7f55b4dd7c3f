"""Where may a restore write, and which job owns a partly restored folder?

A restore marks the folder it fills with a file. Only a folder with the mark of a job is ever
emptied for that job: anything put there in its place stays.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path

from django.conf import settings

from backups.archive.contained import FOLDER, create_contained, read_contained, remove_contained
from backups.archive.reader import BackupReader
from backups.catalog.facts import facts_of
from backups.engines import engine_named
from backups.exceptions import BadInput, Refused
from backups.models import Backup, BackupCopy, Repository
from backups.models.repository import RepositoryKind
from backups.programs.occupant import occupant
from backups.repositories.disks import real_path
from backups.restores.host_keys import host_keys
from backups.units import format_bytes

MARK = ".mooring-restore"
_MARK_BYTES = 32
# The mark is missing, a link or a folder, or longer than a mark: the folder is not this job's.
_NO_MARK = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL, errno.EFBIG, errno.EISDIR}
# Prepare writes redo and undo logs of its own, and rolls back inside the files.
ROOM_FACTOR = 1.1
RESERVE_BYTES = 64 * 1024 * 1024


def claim_folder(target: Path, job_id: int) -> None:
    """Create ``target`` if it is missing, take it over, and mark it as this job's.

    From here on until it is handed over, the folder belongs to the worker's user and is closed
    to others. Raises FileExistsError if another restore has marked it first.
    """
    _make_folder(target)
    _take_over(target)
    create_contained(target, MARK, str(job_id).encode())
    # Looked at before too; but only now can nobody add to it.
    if planted := sorted(set(os.listdir(target)) - {MARK}):
        remove_contained(target, MARK)
        raise Refused(
            f"{target} is not empty: {planted[0][:100]} appeared in it just now",
            hint="Give a folder that no other user can write to; nothing in it was changed.",
        )


def _make_folder(target: Path) -> None:
    """Make it and what is missing above it, whatever the umask says."""
    for folder in reversed(target.parents):
        if not folder.is_dir():
            folder.mkdir(mode=0o755, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        target.mkdir(mode=0o700)


def _take_over(target: Path) -> None:
    """Make a folder ours alone; Refused where it is a link, or not ours to take."""
    try:
        descriptor = os.open(target, FOLDER)
    except OSError as exc:
        raise Refused(
            f"{target} is not a folder that a restore may use: {exc.strerror}",
            hint="Give a folder, not a link to one.",
        ) from None
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            os.fchown(descriptor, os.geteuid(), os.getegid())
        os.fchmod(descriptor, 0o700)
    except PermissionError:
        raise Refused(
            f"{target} belongs to another user, and only root can take it over",
            hint="Give a folder of the worker's user, or one that does not exist yet.",
        ) from None
    finally:
        os.close(descriptor)


def hand_over_folder(target: Path) -> None:
    """Remove the mark: the folder is complete, and the job may no longer remove it."""
    remove_contained(target, MARK)


def has_mark(target: Path, job_id: int) -> bool:
    """Whether a folder is there, and marked as this job's."""
    try:
        return read_contained(target, MARK, most_bytes=_MARK_BYTES) == str(job_id).encode()
    except OSError as exc:
        if exc.errno in _NO_MARK:
            return False
        raise


def release_folder(target: Path, job_id: int) -> bool:
    """Remove a marked folder and its content; False if it is not this job's or is missing.

    The mark is removed last, so that an interrupted removal can be finished later.
    """
    if not has_mark(target, job_id):
        return False
    for entry in target.iterdir():
        if entry.name == MARK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    remove_contained(target, MARK)
    # A file put there in the meantime stays.
    with contextlib.suppress(OSError):
        target.rmdir()
    return True


def size_of(folder: Path) -> int:
    """Return what the files of a folder take on the disk."""
    taken = 0
    for _, _, names, descriptor in os.fwalk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                taken += os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_blocks * 512
    return taken


def room_needed(raw_bytes: int) -> int:
    """Return the space a restore of ``raw_bytes`` takes on the target's disk."""
    return int(raw_bytes * ROOM_FACTOR) + RESERVE_BYTES


def room_of(reader: BackupReader) -> int:
    """Return how many bytes the files of a backup take on a disk, holes left out where known."""
    contents = reader.manifest.contents
    return contents.restored_bytes if contents.needs_others else contents.raw_bytes


def restored_size(backup: Backup) -> int | None:
    """Return the same of a backup in the catalog; None is unknown."""
    return backup.raw_bytes if backup.base_id is None else backup.restored_bytes


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
    facts = facts_of(copy.backup)
    return engine.check_restore(facts, server_program, starts=starts, keys=host_keys())


def refuse_target(target: Path) -> None:
    """Raise Refused unless a restore may write to ``target``."""
    if not target.is_absolute():
        raise BadInput(f"target {target} is not an absolute path")
    if target.is_symlink():
        raise Refused(
            f"{target} is a link", hint="Name the folder itself: a link can be changed meanwhile."
        )
    if target.exists() and not target.is_dir():
        raise Refused(f"{target} is not a folder")
    if target.is_dir() and (pid := occupant(target)):
        raise Refused(
            f"{target} is the data directory of a running server, pid {pid}",
            hint="Stop that server and move its folder, or restore to another one.",
        )
    if target.is_dir() and any(target.iterdir()):
        raise Refused(
            f"{target} is not empty",
            hint="Give a new or empty folder; nothing in it was changed.",
        )
    refuse_inside_repository(target)
    _refuse_own_settings(target)


def _refuse_own_settings(target: Path) -> None:
    """Raise Refused where a file of this host says what Mooring runs, or is looked for."""
    for file in (settings.HOOKS_FILE.absolute(), settings.MEDIA_FILE.absolute()):
        if file.is_relative_to(target.resolve()) or target.resolve().is_relative_to(file):
            raise Refused(
                f"{target} is where {file} is looked for, which says what runs on this host",
                hint="Restore to another folder.",
            )


def refuse_inside_repository(target: Path) -> None:
    """Raise Refused if a path is in a repository: what is put there looks like its objects."""
    for repository in Repository.objects.filter(kind=RepositoryKind.DIRECTORY):
        if target.resolve().is_relative_to(real_path(repository.path)):
            raise Refused(f"{target} is inside repository {repository}")


def nearest_folder(path: Path) -> Path:
    """Return the closest existing folder above ``path``, which is on the same disk."""
    while not path.is_dir():
        path = path.parent
    return path
