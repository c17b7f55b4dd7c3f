"""Whose is a half-restored folder?

A restore marks the folder it fills with a file of its own. Only a folder with the mark of a
job is ever emptied for that job: what somebody else put there in its place stays.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

MARK = ".mooring-restore"


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
