"""What is in the file of a saved table, and where is it stored?

A file is SQL that any client can run. A comment before each statement has its length, so that it
can be loaded in bounded memory without parsing SQL.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from backups.archive.contained import open_contained
from backups.engines.clone.literals import quoted
from backups.exceptions import EngineError
from backups.repositories.layout import is_safe_path

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
_HEADER = re.compile(rb"-- statement of (\d{1,10}) bytes\n")
_LONGEST_HEADER = 64
# A clone contains the tables in them; no backup saves one of them separately.
SYSTEM_SCHEMAS = frozenset({"mysql", "sys", "performance_schema", "information_schema"})
# Letters of any script, digits and characters safe in shells and file systems.
_PLAIN = re.compile(r"[\w$-]")


@dataclass(frozen=True, slots=True)
class SavedTable:
    """A table in the backup."""

    schema: str
    name: str
    engine: str
    path: str
    # None: of such an engine only the definition is saved.
    rows: int | None

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def parse_saved_tables(described: object) -> list[SavedTable]:
    """Read what a backup says it saved, or raise EngineError where no backup says that."""
    if not isinstance(described, list):
        raise EngineError("the backup's list of saved tables is none")
    return [_parse(entry) for entry in described]


def _parse(described: object) -> SavedTable:
    if not isinstance(described, dict):
        raise EngineError("one of the backup's saved tables is not described")
    texts = [described.get(name) for name in ("schema", "name", "engine", "path")]
    rows = described.get("rows")
    whole = all(isinstance(text, str) and text and "\0" not in text for text in texts)
    counted = rows is None or (type(rows) is int and 0 <= rows < 1 << 63)
    if not whole or not counted:
        raise EngineError(f"a saved table of the backup is invalid: {str(described)[:200]}")
    schema, name, engine, path = (str(text) for text in texts)
    table = SavedTable(schema, name, engine, path, rows)
    if table.schema.lower() in SYSTEM_SCHEMAS:
        raise EngineError(f"the backup would replace {table.schema}.{table.name}, a system table")
    if not (is_safe_path(table.path) and table.path.startswith(f"{FOLDER}/")):
        raise EngineError(f"the backup has a saved table at {table.path[:200]!r}, outside {FOLDER}")
    return table


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


def read_statements(folder: Path, name: str) -> Iterator[str]:
    """Yield the statements of a file, or raise EngineError if it is incomplete."""
    with open(open_contained(folder, name), "rb") as file:
        left = os.fstat(file.fileno()).st_size
        while header := file.readline(_LONGEST_HEADER):
            match = _HEADER.fullmatch(header)
            left -= len(header)
            # Before memory is taken for it: a forged header can claim any length.
            if not match or int(match[1]) > min(left, LONGEST_STATEMENT_BYTES):
                raise EngineError(f"{folder / name} is not a complete file of statements")
            statement = file.read(int(match[1]))
            if len(statement) != int(match[1]) or file.read(2) != b";\n":
                raise EngineError(f"{folder / name} is not a complete file of statements")
            left -= len(statement) + 2
            yield statement.decode()


def allowed(statements: Iterable[str], table: SavedTable) -> Iterator[str]:
    """Yield what has to be run to make and fill ``table``; EngineError for anything else.

    The schema and the table are made room for before: statements for that are passed over.
    """
    schema, full_name = quoted(table.schema), f"{quoted(table.schema)}.{quoted(table.name)}"
    passed_over = {f"CREATE DATABASE IF NOT EXISTS {schema}", f"DROP TABLE IF EXISTS {full_name}"}
    created = False
    for statement in statements:
        if statement in passed_over:
            continue
        # A table that is not the file's own, a view for one, must never be filled.
        fills = created and statement.startswith(f"INSERT INTO {full_name} (")
        creates = not created and _is_definition(statement, table)
        if not (fills or creates or statement in PREAMBLE or statement == f"USE {schema}"):
            raise EngineError(
                f"{table.path} holds a statement that no backup writes: {statement[:80]!r}",
                hint="Somebody changed the backup: use another copy.",
            )
        created = created or creates
        yield statement


def _is_definition(statement: str, table: SavedTable) -> bool:
    """Whether it begins as servers write it, who may leave out the quotes."""
    names = (quoted(table.name), table.name)
    return statement.lower().startswith(tuple(f"create table {name} (".lower() for name in names))
