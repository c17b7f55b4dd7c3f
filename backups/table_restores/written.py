"""How are tables written into a file of SQL, or as their files into a folder?"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from backups.archive.meter import Meter
from backups.programs.private_server import PrivateServer
from backups.programs.server_session import session
from backups.table_names.names import TableName, quoted
from backups.table_restores.definitions import created_as
from backups.table_restores.files import copy_file, flushed, has_partitions
from backups.table_restores.rows import PREAMBLE, create_statement, insert_statements

DEFINITIONS_FILE = "definitions.sql"
# What is run before and after the files are put into the data folder.
DISCARD_FILE = "discard.sql"
IMPORT_FILE = "import.sql"
# Parents and children are made and imported in any order.
_UNCHECKED = "SET foreign_key_checks = 0;\n"


def write_sql(
    server: PrivateServer,
    names: Mapping[TableName, TableName],
    path: Path,
    *,
    heading: str,
    meter: Meter,
    check: Callable[[], None],
) -> dict[TableName, int]:
    """Write definitions and rows into a new file; return the rows of each table."""
    rows: dict[TableName, int] = {}
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "wb") as file:

        def put(statement: bytes) -> None:
            file.write(statement + b";\n")
            meter.raw_bytes += len(statement) + 2
            check()

        file.write("".join(f"-- {line}\n" for line in heading.splitlines()).encode())
        for text in PREAMBLE:
            put(text.encode())
        for table, new in names.items():
            # What a definition names without a schema is in the one that is used.
            put(f"CREATE DATABASE IF NOT EXISTS {quoted(new.schema)}".encode())
            put(f"USE {quoted(new.schema)}".encode())
            put(_created(server, table, new).encode())
            rows[table] = 0
            for statement, count in insert_statements(server, table, new):
                put(statement)
                rows[table] += count
        file.flush()
        os.fsync(file.fileno())
    return rows


def write_files(
    server: PrivateServer,
    names: Mapping[TableName, TableName],
    folder: Path,
    *,
    whole_partitions: bool,
    meter: Meter,
    check: Callable[[], None],
) -> int:
    """Write the files of tables, and the statements to import them; return how many files.

    ``whole_partitions``: whether the product imports all partitions of a table at once.
    """
    count = 0
    texts = {name: [_UNCHECKED] for name in (DEFINITIONS_FILE, DISCARD_FILE, IMPORT_FILE)}
    sequences = _sequences(server)
    # Tables may take their values from them.
    for table in sorted(names, key=lambda name: name not in sequences):
        texts[DEFINITIONS_FILE] += _defined(server, table)
        if table in sequences:
            texts[IMPORT_FILE].append(
                _comment(table, "is a sequence: it starts at its first value")
            )
            continue
        with flushed(server, table) as paths:
            if any(map(has_partitions, paths)) and not whole_partitions:
                texts[IMPORT_FILE].append(_comment(table, "is partitioned: see docs/tables.md"))
            elif paths:
                texts[DISCARD_FILE] += _discarded(table)
                texts[IMPORT_FILE].append(f"ALTER TABLE {table.quoted} IMPORT TABLESPACE;\n")
            for path in paths:
                (folder / path).parent.mkdir(mode=0o700, exist_ok=True)
                meter.raw_bytes += copy_file(server.folder, path, folder, path, check=check)
                count += 1
    for name, statements in texts.items():
        (folder / name).write_text("".join(statements), encoding="utf-8")
    return count + len(texts)


def _defined(server: PrivateServer, table: TableName) -> tuple[str, ...]:
    return (
        f"CREATE DATABASE IF NOT EXISTS {quoted(table.schema)};\n",
        # What a definition names without a schema is in the one that is used.
        f"USE {quoted(table.schema)};\n",
        f"{_created(server, table, table)};\n",
    )


def _sequences(server: PrivateServer) -> set[TableName]:
    """Return the sequences of a MariaDB; a MySQL has none."""
    sql = "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES"
    with session(server) as connection, connection.cursor() as cursor:
        cursor.execute(f"{sql} WHERE TABLE_TYPE = 'SEQUENCE'")
        return {TableName(str(schema), str(name)) for schema, name in cursor.fetchall()}


def _discarded(table: TableName) -> tuple[str, ...]:
    """Return what discards a table that is empty: only such a one can be of the definitions."""
    discard = f"ALTER TABLE {table.quoted} DISCARD TABLESPACE"
    hexed = f"CONVERT(x'{discard.encode().hex()}' USING utf8mb4)"
    # Whether a backslash is a letter depends on the session.
    literal = hexed if "\\" in discard else "'" + discard.replace("'", "''") + "'"
    rows = f"EXISTS (SELECT 1 FROM {table.quoted})"  # noqa: S608 - quoted
    return (
        f"SET @statement = IF({rows}, 'SELECT \"left alone: it has rows\"', {literal});\n",
        "PREPARE discarding FROM @statement;\n",
        "EXECUTE discarding;\n",
    )


def _comment(table: TableName, text: str) -> str:
    # A name may have a line break in it.
    return f"-- {' '.join(table.quoted.split())} {text}\n"


def _created(server: PrivateServer, table: TableName, new: TableName) -> str:
    with session(server) as connection:
        sql = create_statement(connection, table)
    # Of a table that refers to itself.
    moved = {table.name: new.name} if table.schema == new.schema else {}
    return created_as(sql, table, new, moved=moved, taken=frozenset())
