"""Is a restored data folder really the shop? Starts a server on it and asks.

python -m scripts.proof is not a program: the demo and the tests use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pymysql.connections import Connection

from backups.programs.private_server import PrivateServer, ServerOptions
from scripts.shop import Invariant, RowSum, check_invariants, postings, row_sums

TABLES = (
    "SELECT table_schema, table_name FROM information_schema.tables "
    "WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE') "
    "AND table_schema NOT IN ('information_schema', 'performance_schema') ORDER BY 1, 2"
)


@dataclass(frozen=True, slots=True)
class Proof:
    """What a server on the restored files said."""

    tables: int
    # Table and what CHECK TABLE said of it, where that was not OK.
    damaged: tuple[str, ...]
    invariants: tuple[Invariant, ...]
    # Static tables whose rows differ from those that were put in.
    differing: tuple[str, ...]
    static_rows: int
    postings: int

    @property
    def holds(self) -> bool:
        invariants_hold = all(one.ok for one in self.invariants)
        return bool(self.tables) and invariants_hold and not (self.damaged or self.differing)


def prove(
    folder: Path,
    *,
    password: str,
    expected: Mapping[str, RowSum],
    settings: ServerOptions | None = None,
) -> Proof:
    """Read every table of a restored copy; without ``settings`` as a MariaDB."""
    settings = settings or ServerOptions(options={"innodb-buffer-pool-size": "256M"})
    with (
        PrivateServer(folder, settings) as server,
        server.connect(password=password) as connection,
    ):
        tables = _tables(connection)
        actual = row_sums(connection)
        return Proof(
            tables=len(tables),
            damaged=tuple(_damaged(connection, tables)),
            invariants=tuple(check_invariants(connection)),
            differing=tuple(name for name, sums in expected.items() if actual[name] != sums),
            static_rows=sum(sums.rows for sums in actual.values()),
            postings=postings(connection),
        )


def _tables(connection: Connection) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        return [".".join(_quoted(part) for part in row) for row in cursor.fetchall()]


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _damaged(connection: Connection, tables: list[str]) -> list[str]:
    damaged = []
    for table in tables:
        with connection.cursor() as cursor:
            cursor.execute(f"CHECK TABLE {table}")
            messages = [f"{kind}: {text}" for _, _, kind, text in cursor.fetchall() if text != "OK"]
        # A log table of the server has nothing that could be checked.
        damaged += [f"{table}: {line}" for line in messages if "doesn't support check" not in line]
    return damaged
