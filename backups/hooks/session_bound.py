"""Which statements are of no use as a hook? A hook's session ends with it.

A lock that ends before the copy begins protects nothing, and looks as if it did. This keeps people
from that, no attacker: who writes the file may run any command.
"""

from __future__ import annotations

import re

ENDS_WITH_SESSION = "its effect ends with its session, before anything else runs"
ENDS_SERVER = "it ends the server that the job needs"

_COMMENT = re.compile(r"\s*(/\*(?![!M]).*?\*/|--\s[^\n]*(\n|$)|#[^\n]*(\n|$))", re.DOTALL)
# SET without one of these is of the session, or of a user variable.
_LASTING_SET = re.compile(
    r"SET\s+(@@)?(GLOBAL|PERSIST|PERSIST_ONLY|PASSWORD|DEFAULT\s+ROLE|RESOURCE\s+GROUP)\b",
    re.IGNORECASE,
)
_RULES = (
    (re.compile(r"(SHUTDOWN|RESTART)\b", re.IGNORECASE), ENDS_SERVER),
    (re.compile(r"DELIMITER\b", re.IGNORECASE), "it is a command of the client, not a statement"),
    (
        re.compile(
            r"(SET|USE|BEGIN|START\s+TRANSACTION|SAVEPOINT|XA\s+(START|BEGIN)"
            r"|LOCK\s+(TABLES?|INSTANCE)|BACKUP\s+(STAGE|LOCK)|HANDLER|PREPARE"
            r"|CREATE\s+(OR\s+REPLACE\s+)?TEMPORARY|(SELECT|DO)\s+GET_LOCK"
            r"|FLUSH\s+(LOCAL\s+|NO_WRITE_TO_BINLOG\s+)?TABLES?\b.*\b(WITH\s+READ\s+LOCK|FOR\s+EXPORT))\b",
            re.IGNORECASE | re.DOTALL,
        ),
        ENDS_WITH_SESSION,
    ),
)


def why_useless(statement: str) -> str:
    """Return why a statement cannot be a hook; blank if it can."""
    while comment := _COMMENT.match(statement):
        statement = statement[comment.end() :]
    statement = statement.strip()
    if _LASTING_SET.match(statement):
        return ""
    return next((why for pattern, why in _RULES if pattern.match(statement)), "")
