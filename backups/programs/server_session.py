"""How are queries run on a private server that may end meanwhile, and what does its end prove?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.connections import Connection

from backups.exceptions import EngineError, StageFailed
from backups.programs.server_ending import LOG_HINT, Ending, ending_of

if TYPE_CHECKING:
    from backups.programs.private_server import PrivateServer

# Not connected, and connections that were lost.
_LOST = {2002, 2003, 2006, 2013, 2055}
# From a lost connection to the end of the process.
_END_SECONDS = 5.0


# Any: cursors of every kind.
@contextmanager
def session(server: PrivateServer) -> Iterator[Connection[Any]]:
    """Connect to a server that has answered; where it has ended since, raise ``gone``."""
    try:
        with server.connect() as connection:
            yield connection
    except pymysql.Error as exc:
        if is_lost(exc):
            raise gone(server) from None
        raise


def is_lost(exc: BaseException) -> bool:
    """Whether an error is the end of a connection, and says nothing of the query."""
    if isinstance(exc, pymysql.InterfaceError):
        return True
    return isinstance(exc, pymysql.Error) and exc.args[:1] != () and exc.args[0] in _LOST


def gone(server: PrivateServer, doing: str = "") -> EngineError | StageFailed:
    """Return the error of a server that has ended; EngineError if that is evidence on its data.

    Killed, by this host or by a person, it proves nothing.
    """
    code = server.exit_code(_END_SECONDS)
    during = f" while {doing}" if doing else ""
    if code is None:
        return EngineError(f"the private server stopped answering{during}", hint=LOG_HINT)
    if ending_of(code) is Ending.KILLED:
        return StageFailed(
            f"the private server was killed{during}",
            hint="Check this host's kernel log, for example for lack of memory, and try again.",
        )
    tail = server.log.tail()
    return EngineError(f"the private server ended with {code}{during}:\n{tail}", hint=LOG_HINT)
