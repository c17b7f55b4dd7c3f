"""Does the instance still work on a statement of a worker that is gone?

A server notices that nobody waits for an answer only when it has one. Until then it may create a
table after everything was cleared up, or give tables their names though their job was lost.
"""

from __future__ import annotations

import time
from contextlib import suppress

from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.exceptions import InstanceUnreachable
from backups.instances.connection import fetch_rows

LONGEST_SECONDS = 30.0
_STATEMENTS = """
    SELECT ID AS id FROM information_schema.PROCESSLIST
    WHERE USER = %s AND ID <> CONNECTION_ID() AND INFO LIKE %s
"""


def end_statements(connection: Connection[DictCursor], user: str, prefix: str) -> None:
    """End what this account does with tables whose names begin so.

    InstanceUnreachable where a statement does not end: tried again later.
    """
    pattern = "%`" + prefix.replace("_", r"\_") + "%"
    deadline = time.monotonic() + LONGEST_SECONDS
    while rows := fetch_rows(connection, _STATEMENTS, (user, pattern)):
        if time.monotonic() > deadline:
            raise InstanceUnreachable(
                f"session {rows[0]['id']} still works on a table {prefix}… of a job that has ended",
                hint="It is ended again in a while; see SHOW PROCESSLIST.",
            )
        for row in rows:
            # It may have ended by itself; whoever may not see it sees no row.
            with suppress(InstanceUnreachable):
                fetch_rows(connection, f"KILL {int(row['id'])}")
        time.sleep(0.1)
