"""Who runs the statements that come out of a backup? An account that can fill one table.

A server that was started without its grant tables lets everybody do everything. So they are
loaded, for the rest of this start, and an account is made that may create, drop and fill the
table it is working on: no files, no settings, no other table. Statements are also held against
a list before (``saved_files.allowed``): such a start lets everybody install components.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pymysql.connections import Connection

from backups.engines.clone.literals import quoted
from backups.exceptions import EngineError
from backups.programs.private_server import PrivateServer

# What may be done to a table of a saved file; the rest of SQL is refused by the server itself.
RIGHTS = "CREATE, DROP, INSERT, ALTER"
# The tables a MERGE table is made of: who creates it must be allowed to use them.
_RIGHTS_BELOW = "SELECT, UPDATE, DELETE"
_UNION = re.compile(r" UNION=\(((?:`(?:[^`]|``)+`(?:\.`(?:[^`]|``)+`)?,?)+)\)")
_NAME = re.compile(r"(?:`((?:[^`]|``)+)`\.)?`((?:[^`]|``)+)`")
_IS_TABLE = """
    SELECT COUNT(*) FROM information_schema.TABLES
    WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND TABLE_TYPE = 'BASE TABLE' AND ENGINE = 'MyISAM'
"""


@dataclass(frozen=True, slots=True)
class LoadingAccount:
    """An account of the private server, and the connection that may change its rights."""

    admin: Connection[Any]
    name: str
    password: str = field(repr=False)

    def grant(self, schema: str, table: str, rights: str = RIGHTS) -> None:
        self._run(f"GRANT {rights} ON {quoted(schema)}.{quoted(table)} TO {self._account}")

    def grant_union(self, schema: str, definition: str) -> None:
        """Let it use the tables that a MERGE table is made of."""
        for match in _UNION.finditer(definition):
            for part, table in _NAME.findall(match[1]):
                names = (part.replace("``", "`") or schema, table.replace("``", "`"))
                if self._ask(_IS_TABLE, names):
                    self.grant(*names, rights=_RIGHTS_BELOW)

    def revoke_all(self) -> None:
        self._run(f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {self._account}")

    @property
    def _account(self) -> str:
        return f"{quoted(self.name)}@localhost"

    def _run(self, sql: str) -> None:
        with self.admin.cursor() as cursor:
            cursor.execute(sql)

    def _ask(self, sql: str, parameters: Sequence[str]) -> bool:
        with self.admin.cursor() as cursor:
            cursor.execute(sql, parameters)
            row = cursor.fetchone()
        return bool(row and row[0])


@contextmanager
def loading_account(server: PrivateServer, admin: Connection[Any]) -> Iterator[LoadingAccount]:
    """Make the account, and take it away again. ``admin`` may do everything throughout."""
    account = LoadingAccount(
        admin, f"mooring-load-{secrets.token_hex(6)}", secrets.token_urlsafe(24)
    )
    with admin.cursor() as cursor:
        cursor.execute("FLUSH PRIVILEGES")
        cursor.execute(
            f"CREATE USER {quoted(account.name)}@localhost "
            "IDENTIFIED WITH caching_sha2_password BY %s",
            (account.password,),
        )
        yield account
        cursor.execute(f"DROP USER {quoted(account.name)}@localhost")


def check_trigger(statement: str) -> str:
    """Return the statement of a trigger; EngineError for one that would do anything else."""
    name = r"`(?:[^`]|``)*`"
    if re.match(rf"CREATE (?:DEFINER={name}@{name} )?TRIGGER ", statement) is None:
        raise EngineError(f"the copy has a trigger that is none: {statement[:80]!r}")
    return statement
