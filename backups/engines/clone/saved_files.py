"""What is in the file of a saved table, and where is it stored?

A file is SQL that any client can run. A comment before each statement has its length, so that it
can be loaded in bounded memory without parsing SQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from backups.exceptions import EngineError

# No schema's folder can have this name: a dash in the name of a schema is encoded as @002d.
FOLDER = "mooring-foreign"
# The longest part of a path.
LONGEST_NAME_BYTES = 200
# A statement has to fit into one packet of the server.
LONGEST_STATEMENT_BYTES = (1 << 30) - 1024
# Makes the values independent of the server's settings.
PREAMBLE = (
    "SET NAMES utf8mb4",
    "SET SESSION time_zone = '+00:00'",
    "SET SESSION sql_mode = "
    "'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_DIR_IN_CREATE,NO_ENGINE_SUBSTITUTION'",
    "SET SESSION foreign_key_checks = 0, unique_checks = 0",
)
_HEADER = re.compile(rb"-- statement of (\d+) bytes\n")
# Letters of any script, digits and characters safe in shells and file systems.
_PLAIN = re.compile(r"[\w$-]")


def path_of(schema: str, table: str, number: int) -> str:
    """Return the path of a table's rows in the backup; ``number`` distinguishes long names."""
    return "/".join((FOLDER, _part(schema, number), f"{_part(table, number)}.sql"))


def _part(name: str, number: int) -> str:
    spelled = "".join(c if _PLAIN.match(c) else f"@{ord(c):04x}" for c in name)
    if len(spelled.encode()) <= LONGEST_NAME_BYTES:
        return spelled
    return f"@long-{number}"


def framed(statement: bytes) -> bytes:
    """Return a statement as it is written to a file."""
    if len(statement) > LONGEST_STATEMENT_BYTES:
        raise EngineError("a row is longer than a statement may be")
    return b"-- statement of %d bytes\n%s;\n" % (len(statement), statement)


def read_statements(path: Path) -> Iterator[str]:
    """Yield the statements of a file, or raise EngineError if it is incomplete."""
    with path.open("rb") as file:
        while header := file.readline():
            found = _HEADER.fullmatch(header)
            statement = file.read(int(found[1])) if found else b""
            if not found or len(statement) != int(found[1]) or file.read(2) != b";\n":
                raise EngineError(f"{path} is not a complete file of statements")
            yield statement.decode()
