"""Which job owns a partly restored folder?

A restore marks the folder it fills with a file. Only a folder with the mark of a job is ever
emptied for that job: anything put there in its place stays.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

MARK = ".mooring-restore"


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
