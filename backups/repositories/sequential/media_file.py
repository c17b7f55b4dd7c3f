"""Which media does this host know? A TOML file that only its administrators can write.

A command or a library of a medium runs as the worker: whoever names one can do whatever the worker
can. So neither is in the database nor on a page: the row of a repository names an entry of the
file.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from backups.exceptions import BadInput, RepositoryError
from backups.repositories.sequential.base import Medium
from backups.repositories.sequential.blocks import DEFAULT_BLOCK, LEAST_BLOCK, MOST_BLOCK
from backups.repositories.sequential.names import is_prefix
from backups.repositories.sequential.pipe import (
    NOT_THERE,
    PLACEHOLDER,
    Commands,
    Part,
    PipeMedium,
)
from backups.repositories.sequential.pipeline import Surroundings
from backups.repositories.sequential.sbt.medium import SbtMedium
from backups.repositories.sequential.sbt.session import SbtSettings

SCHEME = "media:"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
DEFAULT_STALL_SECONDS = 600
# What selects the policies of a media manager; the interface has 9 bytes for it.
DATABASE_NAME = "MySQL"
LONGEST_SEND = 511


def is_media_address(path: str) -> bool:
    return path.startswith(SCHEME)


def split_media_address(path: str) -> tuple[str, str]:
    """Return medium and prefix of ``media:NAME/PREFIX``; BadInput if it is no such."""
    name, _, prefix = path.removeprefix(SCHEME).partition("/")
    if not path.startswith(SCHEME) or not _NAME.fullmatch(name) or not is_prefix(prefix):
        raise BadInput(
            f"{path} does not name a medium and a prefix",
            hint="Write media:NAME/PREFIX: NAME as in the file of media, PREFIX of up to 40 "
            "letters, digits, - and _ that begins with a letter.",
        )
    return name, prefix


def load_medium(file: Path, name: str) -> Medium:
    """Return a medium of the file; RepositoryError says what is wrong with its entry."""
    entries = _load(file)
    entry = entries.get(name)
    if not isinstance(entry, dict):
        known = ", ".join(sorted(entries)) or "none"
        raise RepositoryError(
            f"{file} has no medium {name}: it has {known}",
            hint=f"Add [{name}] to it, on every host that runs a worker or the site.",
        )
    kind = "sbt" if "sbt_lib" in entry else "commands"
    try:
        return READERS[kind](name, entry)
    except (TypeError, ValueError) as exc:
        raise RepositoryError(f"{file}, medium {name}: {exc}") from None


# Any: whatever TOML holds, until it was checked.
def _load(file: Path) -> Mapping[str, Any]:
    try:
        with file.open("rb") as opened:
            found = os.fstat(opened.fileno())
            if found.st_uid not in {0, os.geteuid()} or found.st_mode & (
                stat.S_IWGRP | stat.S_IWOTH
            ):
                raise RepositoryError(
                    f"{file} could be changed by others, and names programs that run as the worker",
                    hint="Have it belong to root or the worker's user, mode 0644 or less.",
                )
            return tomllib.load(opened)
    except FileNotFoundError:
        raise RepositoryError(
            f"{file} does not exist",
            hint="Describe the medium there, or name another file in MOORING_MEDIA_FILE.",
        ) from None
    except (OSError, ValueError) as exc:
        raise RepositoryError(f"{file} cannot be read: {exc}") from None


def _pipe_medium(name: str, entry: Mapping[str, Any]) -> PipeMedium:
    _refuse_unknown(
        entry,
        {"store", "fetch", "exists", "not_there", "list", "remove", *_SHARED},
    )
    commands = Commands(
        store=_pipeline(entry, "store"),
        fetch=_pipeline(entry, "fetch"),
        exists=_command(entry, "exists"),
        not_there=_not_there(entry),
        list=_command(entry, "list"),
        remove=_command(entry, "remove"),
        block_bytes=block_bytes_of(entry),
        surroundings=surroundings_of(entry),
    )
    if not commands.exists and not commands.list:
        raise ValueError("needs exists or list: a name that is there must not be written over")
    return PipeMedium(name, commands)


def _sbt_medium(name: str, entry: Mapping[str, Any]) -> SbtMedium:
    _refuse_unknown(entry, {"sbt_lib", "database_name", "send", *_SHARED})
    library, database = entry["sbt_lib"], entry.get("database_name", DATABASE_NAME)
    if not isinstance(library, str) or not library.startswith("/") or "\0" in library:
        raise ValueError("sbt_lib must be the absolute path of the library")
    if not isinstance(database, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,8}", database):
        raise ValueError("database_name must have 1 to 8 letters, digits, - and _")
    send = entry.get("send", [])
    if not isinstance(send, list) or not all(
        isinstance(text, str) and "\0" not in text and len(text.encode()) <= LONGEST_SEND
        for text in send
    ):
        raise ValueError(f"send must be a list of texts of at most {LONGEST_SEND} bytes")
    surroundings = surroundings_of(entry)
    settings = SbtSettings(library, database, tuple(send), block_bytes_of(entry), surroundings)
    return SbtMedium(name, settings)


_SHARED = ("block_bytes", "environment", "folder", "stall_seconds")
READERS: dict[str, Callable[[str, Mapping[str, Any]], Medium]] = {
    "commands": _pipe_medium,
    "sbt": _sbt_medium,
}


def block_bytes_of(entry: Mapping[str, Any]) -> int:
    """Return the size of the blocks, a multiple of 4 KiB."""
    size = entry.get("block_bytes", DEFAULT_BLOCK)
    if type(size) is not int or not LEAST_BLOCK <= size <= MOST_BLOCK or size % LEAST_BLOCK:
        raise ValueError(
            f"block_bytes must be a multiple of {LEAST_BLOCK} from {LEAST_BLOCK} to {MOST_BLOCK}"
        )
    return size


def surroundings_of(entry: Mapping[str, Any]) -> Surroundings:
    """Return environment, folder and limit of silence."""
    environment = entry.get("environment", {})
    if not isinstance(environment, dict) or not all(
        _VARIABLE.fullmatch(name) and isinstance(value, str) and "\0" not in value
        for name, value in environment.items()
    ):
        raise ValueError("environment must be a table of names and texts")
    folder = entry.get("folder")
    if folder is not None and not (isinstance(folder, str) and folder.startswith("/")):
        raise ValueError("folder must be an absolute path")
    stall = entry.get("stall_seconds", DEFAULT_STALL_SECONDS)
    if type(stall) is not int or stall < 1:
        raise ValueError("stall_seconds must be a whole number of seconds")
    return Surroundings(environment, folder, stall)


def _refuse_unknown(entry: Mapping[str, Any], known: set[str]) -> None:
    if unknown := sorted(set(entry) - known):
        raise ValueError(f"unknown: {', '.join(unknown)}")


def _pipeline(entry: Mapping[str, Any], key: str) -> tuple[Part, ...]:
    """Return one command, or several that are joined by pipes."""
    value = entry.get(key)
    if isinstance(value, list) and value and isinstance(value[0], list):
        parts = tuple(_words(part, key) for part in value)
    else:
        parts = (_words(value, key),)
    if not any(PLACEHOLDER in part for part in parts):
        raise ValueError(f"{key} must have {PLACEHOLDER} as one of its arguments")
    return parts


def _command(entry: Mapping[str, Any], key: str) -> Part:
    if key not in entry:
        return ()
    words = _words(entry[key], key)
    if (PLACEHOLDER in words) == (key == "list"):
        raise ValueError(f"{key} must {'not ' if key == 'list' else ''}have {PLACEHOLDER}")
    return words


def _not_there(entry: Mapping[str, Any]) -> int:
    """Return the exit code of ``exists`` that means that a piece is not there."""
    code = entry.get("not_there", NOT_THERE)
    if type(code) is not int or not 1 <= code <= 125:
        raise ValueError("not_there must be an exit code from 1 to 125")
    return code


def _words(value: Any, key: str) -> Part:
    if (
        not isinstance(value, list)
        or not value
        or not all(isinstance(word, str) and "\0" not in word for word in value)
    ):
        raise ValueError(f"{key} must be a list of a program and its arguments")
    if bad := [word for word in value if PLACEHOLDER in word and word != PLACEHOLDER]:
        raise ValueError(f"{key}: {PLACEHOLDER} must be an argument of its own, not in {bad[0]!r}")
    if value[0] == PLACEHOLDER:
        raise ValueError(f"{key} must begin with a program")
    return tuple(value)
