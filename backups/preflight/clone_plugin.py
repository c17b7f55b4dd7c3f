"""How is the clone plugin installed? The only statement with which Mooring changes a server."""

from __future__ import annotations

from contextlib import closing

import pymysql

from backups.engines.base import Login
from backups.exceptions import Refused
from backups.instances.connection import connect
from backups.instances.grants import PLUGIN_TABLE, grant_statement
from backups.preflight.clone_checks import INSTALL_PLUGIN

# Access denied, to the server, to the schema or to the table.
_DENIED = {1044, 1045, 1142, 1227}
# Another session installed it first.
_INSTALLED = 1125


def install_clone_plugin(login: Login, account: str) -> None:
    """Install it, or raise Refused with the missing grant."""
    with closing(connect(login)) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(INSTALL_PLUGIN.rstrip(";"))
        except (pymysql.err.Error, OSError) as exc:
            number = exc.args[0] if exc.args else 0
            if number == _INSTALLED:
                return
            hint = "Check the server's error log."
            if number in _DENIED:
                hint = f"Run {grant_statement(account, ['INSERT'], PLUGIN_TABLE)}"
            reason = exc.args[-1] if exc.args else type(exc).__name__
            raise Refused(f"clone plugin not installed: {reason}", hint=hint) from None
