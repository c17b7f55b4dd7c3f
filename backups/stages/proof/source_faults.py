"""Was a table that cannot be read broken on the instance already?

Then the copy is as good as the original, and the restore test has nothing against it. What the
copied dictionary of InnoDB says is what the instance's said: a discarded tablespace is recorded in
it, and a table it does not list has no data anywhere, only a definition file that somebody left.
A table whose data the copy lost has another error and stays a fault.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pymysql
from pymysql.connections import Connection

UNKNOWN_ENGINE = 1286
DISCARDED = 1814
NOT_IN_ENGINE = 1932
CHILD_MISSING = 1168
MARKED = "marked as crashed"
BROKEN_THERE = "broken on the instance too"
# Of InnoDB, of Aria.
UNDECRYPTED = ("is encrypted but encryption service", "decryption failed")
ROWS_ELSEWHERE = frozenset({"FEDERATED", "CONNECT", "SPIDER", "S3", "SPHINX"})

_KNOWN_TO_INNODB = """
    SELECT 1 FROM information_schema.INNODB_SYS_TABLES
    WHERE CAST(NAME AS BINARY) = %s OR CAST(NAME AS BINARY) LIKE %s LIMIT 1
"""


def explain(connection: Connection[Any], table: dict[str, Any], exc: pymysql.Error) -> str:
    """Return why ``exc`` is no fault of the copy; blank where it may be one."""
    engine = str(table["engine"] or "")
    error = int(exc.args[0]) if exc.args else 0
    if error == UNKNOWN_ENGINE:
        return _explain_engine(engine or _named(str(exc.args[-1])))
    if error == CHILD_MISSING and engine.upper() == "MRG_MYISAM":
        return f"{BROKEN_THERE}: a table of this MERGE does not exist or does not fit"
    if engine.upper() != "INNODB":
        return ""
    if error == DISCARDED:
        return f"{BROKEN_THERE}: its tablespace was discarded there"
    if error == NOT_IN_ENGINE and not _known_to_innodb(connection, table):
        return f"{BROKEN_THERE}: a definition file (.frm) without a table in InnoDB"
    return ""


def explain_check(table: dict[str, Any], warnings: Sequence[str], messages: Sequence[str]) -> str:
    """Return why CHECK TABLE found errors that are no fault of the copy; blank: they may be one.

    CHECK TABLE is the first here to open the table. So a mark that it warns of is the instance's:
    a server sets it in the file when it finds damage or when a repair fails. Of MyISAM only:
    prepare applies Aria's log, and may set the mark itself, so that of Aria is read before.
    """
    if any(sign in text for text in messages for sign in UNDECRYPTED):
        return "not checked: encrypted, and the keys in MOORING_MARIADB_KEY_FILE do not open it"
    if table["engine"] == "MyISAM" and any(MARKED in text for text in warnings):
        return f"{BROKEN_THERE}: it was marked as crashed there"
    return ""


def _explain_engine(engine: str) -> str:
    if engine.upper() in ROWS_ELSEWHERE:
        return (
            f"not checked: the engine {engine} reads other files or servers, "
            "and those are not in the backup"
        )
    return f"not checked: this host's server has no storage engine {engine}"


def _named(message: str) -> str:
    """Return the engine in the server's message: without it, a table's engine is NULL."""
    match = re.search(r"'([^']+)'", message)
    return match[1] if match else ""


def _known_to_innodb(connection: Connection[Any], table: dict[str, Any]) -> bool:
    """Return whether the copied dictionary lists the table; True where it cannot be asked."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT CAST(CONVERT(%s USING filename) AS BINARY), "
                "CAST(CONVERT(%s USING filename) AS BINARY)",
                (table["table_schema"], table["table_name"]),
            )
            schema, name = cursor.fetchone()
            path = f"{_text(schema)}/{_text(name)}"
            # Partitions are tables of their own there.
            escaped = path.replace("\\", "\\\\").replace("_", "\\_")
            cursor.execute(_KNOWN_TO_INNODB, (path, f"{escaped}#P#%"))
            return cursor.fetchone() is not None
    except pymysql.Error:
        return True


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
