"""How does one per cent of the rows change, before a backup that stores only changes?"""

from __future__ import annotations

from dataclasses import dataclass

from backups.programs.private_server import PrivateServer
from bench.database import SCHEMA, TABLES, Database, await_idle, execute

PER_CENT = 100
# At random places, or in one stretch of each table.
SHAPES = ("scattered", "clustered")


@dataclass(slots=True)
class Changes:
    """Of the tables of a database that runs as ``server``."""

    server: PrivateServer
    database: Database
    _number: int = 0

    def make(self, shape: str) -> None:
        """Change one per cent of the rows of each table, and let the server write the pages."""
        self._number += 1
        rows = self.database.rows_per_table
        first = self._number * rows // PER_CENT % rows
        where = (
            f"id % {PER_CENT} = {self._number % PER_CENT}"
            if shape == "scattered"
            else f"id BETWEEN {first} AND {first + rows // PER_CENT}"
        )
        for table in range(1, TABLES + 1):
            execute(self.server, f"UPDATE {SCHEMA}.sbtest{table} SET k = k + 1 WHERE {where}")
        await_idle(self.server)
