"""How do the files of a table leave the private server, and get into another server's folder?

The private server is asked to write all of a table to its file, and holds it while it is copied.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from backups.archive.contained import open_contained, remove_contained
from backups.programs.private_server import PrivateServer
from backups.programs.server_session import session
from backups.table_names.names import TableName, file_pattern

# Rows, what describes them, and the key of an encrypted table.
_SUFFIXES = (".ibd", ".cfg", ".cfp")
_PART = re.compile(r"(#p#[^/]*)\.(?:ibd|cfg|cfp)$", re.IGNORECASE)
# Until all of them are there: no server takes one for a tablespace.
UNFINISHED = ".part"
_PIECE_BYTES = 4 << 20


@contextmanager
def flushed(server: PrivateServer, table: TableName) -> Iterator[list[str]]:
    """Have the files of a table complete; give their paths in the server's folder."""
    with session(server) as connection, connection.cursor() as cursor:
        cursor.execute(f"FLUSH TABLES {table.quoted} FOR EXPORT")
        yield files_of(server.folder, table)


def files_of(folder: Path, table: TableName) -> list[str]:
    """Return the paths of the files that hold a table's rows, or describe them."""
    pattern = file_pattern(table)
    found = []
    for path in folder.glob("*/*"):
        name = path.relative_to(folder).as_posix()
        if path.suffix in _SUFFIXES and pattern.fullmatch(str(Path(name).with_suffix(".ibd"))):
            found.append(name)
    return sorted(found)


def has_partitions(path: str) -> bool:
    """Whether a file is of one partition of its table."""
    return _PART.search(path) is not None


def name_as(path: str, stem: str) -> str:
    """Return the name of a table's file for a table whose files begin with ``stem``."""
    part = _PART.search(path)
    return f"{stem}{part[1] if part else ''}{Path(path).suffix}"


def copy_file(
    source: Path, path: str, target: Path, name: str, *, check: Callable[[], None]
) -> int:
    """Copy a file to a new one below another folder, with the owner of that; return its bytes.

    Neither is reached through a link.
    """
    copied = 0
    owner = os.stat(target / Path(name).parent, follow_symlinks=False)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with (
        open(open_contained(source, path), "rb") as reader,
        open(open_contained(target, name, flags, 0o640), "wb") as writer,
    ):
        if os.geteuid() == 0:
            os.fchown(writer.fileno(), owner.st_uid, owner.st_gid)
        while piece := reader.read(_PIECE_BYTES):
            writer.write(piece)
            copied += len(piece)
            check()
        writer.flush()
        os.fsync(writer.fileno())
    return copied


def finish_file(folder: Path, name: str) -> None:
    """Give a copied file, which has the end of an unfinished one, its own name."""
    schema, _, last = name.rpartition("/")
    # No part of the way to it is a link: it was written there a moment ago, and is looked at again.
    os.close(open_contained(folder, name + UNFINISHED))
    os.rename(folder / schema / (last + UNFINISHED), folder / schema / last)


def remove_files(folder: Path, schema: str, stem: str) -> int:
    """Remove the files of a table that never became one; return how many."""
    removed = 0
    for path in (folder / schema).glob(f"{stem}*"):
        rest = path.name.removeprefix(stem)
        ends = rest.removesuffix(UNFINISHED).endswith(_SUFFIXES)
        if rest.startswith((".", "#")) and ends:
            remove_contained(folder, f"{schema}/{path.name}")
            removed += 1
    return removed
