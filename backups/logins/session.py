"""With which settings does a connection to a server begin?

A server's global settings and its init_connect apply to every new session: with a low
``sql_select_limit`` a table would be read in part, without any error. So every connection sets
what its results depend on. What it was given first is kept, because a tool's session gets the same.
"""

from __future__ import annotations

from typing import Any

from pymysql.connections import Connection
from pymysql.constants.ER import UNKNOWN_SYSTEM_VARIABLE
from pymysql.cursors import Cursor
from pymysql.err import MySQLError

NO_LIMIT = 18446744073709551615
# Short of a stalled repository, no query of ours is idle for so long.
IDLE_SECONDS = 28800
# What a session was given by the server; a tool that sets nothing works with these.
GIVEN = ("sql_select_limit", "sql_big_selects", "max_join_size", "sql_mode", "autocommit")
# The query that returns them, after ``begin_session``.
GIVEN_SETTINGS = "SELECT " + ", ".join(f"@mooring_{name} AS {name}" for name in GIVEN)
# DEFAULT would be the global value again.
_SETTINGS = (
    f"SET SESSION sql_select_limit = {NO_LIMIT}, max_join_size = {NO_LIMIT}",
    # After max_join_size, which changes it.
    "SET SESSION sql_big_selects = 1, sql_safe_updates = 0, sql_auto_is_null = 0, "
    "sql_quote_show_create = 1, autocommit = 1, completion_type = 0",
    "SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION'",
    f"SET SESSION lc_messages = 'en_US', wait_timeout = {IDLE_SECONDS}",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET SESSION TRANSACTION READ WRITE",
)
# Each exists on some servers only.
_WHERE_KNOWN = (
    "SET SESSION max_statement_time = 0",
    "SET SESSION max_execution_time = 0",
    "SET SESSION idle_transaction_timeout = 0",
    "SET SESSION show_gipk_in_create_table_and_information_schema = 1",
    "SET SESSION use_secondary_engine = OFF",
    "SET SESSION show_old_temporals = 0",
)


# Any: connections with cursors of every kind.
def begin_session(connection: Connection[Any]) -> None:
    """Make a new connection independent of the server's settings; MySQLError if it fails."""
    with connection.cursor(Cursor) as cursor:
        given = ", ".join(f"@mooring_{name} = @@SESSION.{name}" for name in GIVEN)
        cursor.execute(f"SET {given}")
        for statement in _SETTINGS:
            cursor.execute(statement)
        for statement in _WHERE_KNOWN:
            try:
                cursor.execute(statement)
            except MySQLError as exc:
                if exc.args[0] != UNKNOWN_SYSTEM_VARIABLE:
                    raise
        # An account whose password has expired may SET, and nothing else.
        cursor.execute("DO 1")
