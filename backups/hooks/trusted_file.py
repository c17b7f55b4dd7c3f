"""May a file of this host say what Mooring runs? Only if none but its administrators can write it.

Asked of the opened file, not of its name, so that nobody can change it in between; and of every
folder above it: who may write one of them chooses the file.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from backups.exceptions import BadInput, Refused
from backups.programs.ancestors import check_ancestors

MOST_BYTES = 1 << 20
_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_REMEDY = "Have it belong to root or the worker's user, mode 0644 or less."


def read_trusted(file: Path) -> str | None:
    """Return the text of a file; None if there is none. BadInput says who could change it."""
    try:
        # A pipe must not be waited for.
        opened = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as exc:
        if file.is_symlink():
            raise BadInput(
                f"{file} is a symbolic link: who may change the link chooses the file",
                hint="Name the file itself in MOORING_HOOKS_FILE.",
            ) from None
        raise BadInput(f"{file} cannot be read: {exc.strerror}") from None
    try:
        found = os.fstat(opened)
        if not stat.S_ISREG(found.st_mode):
            raise BadInput(f"{file} is not a file")
        _refuse_writable(file, found)
        _refuse_replaceable(file)
        with os.fdopen(opened, "rb", closefd=False) as text:
            return _decoded(file, text.read(MOST_BYTES + 1))
    finally:
        os.close(opened)


def check_program(program: Path) -> None:
    """Raise BadInput unless a program is there, can run, and only administrators can write it."""
    try:
        found = program.stat()
    except OSError as exc:
        raise BadInput(f"{program} cannot be run: {exc.strerror}") from None
    if not stat.S_ISREG(found.st_mode) or not found.st_mode & 0o111:
        raise BadInput(f"{program} is not an executable file")
    _refuse_writable(program, found)
    _refuse_replaceable(program)


def _refuse_writable(file: Path, found: os.stat_result) -> None:
    if found.st_uid not in {0, os.geteuid()} or found.st_mode & _OTHERS:
        raise BadInput(f"{file} could be changed by others, and says what runs here", hint=_REMEDY)


def _refuse_replaceable(file: Path) -> None:
    try:
        check_ancestors(file)
    except Refused as exc:
        raise BadInput(
            f"{file} could be replaced by others: {exc}",
            hint="Have the folder belong to root or the worker's user, mode 0755 or less.",
        ) from None


def _decoded(file: Path, content: bytes) -> str:
    if len(content) > MOST_BYTES:
        raise BadInput(f"{file} is larger than {MOST_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise BadInput(f"{file} is not UTF-8 text") from None
