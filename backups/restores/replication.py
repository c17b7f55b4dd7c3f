"""Which statement makes a restored server a replica of the server it was copied from?

Pure. The user and password are left for the reader to fill in.
"""

from __future__ import annotations

from backups.programs.compatibility import Version

# Older releases use MASTER and SLAVE.
_SOURCE_SINCE = (8, 0, 23)


def replication_statement(
    version: Version,
    *,
    host: str,
    port: int,
    binlog_file: str = "",
    binlog_position: int | None = None,
    gtid_executed: str = "",
) -> str:
    """Return the statement for MySQL, by GTID where there is a set; blank without a position."""
    word = "SOURCE" if version >= _SOURCE_SINCE else "MASTER"
    if gtid_executed:
        position = [f"{word}_AUTO_POSITION=1"]
    elif binlog_file and binlog_position is not None:
        file = binlog_file.replace("'", "''")
        position = [f"{word}_LOG_FILE='{file}'", f"{word}_LOG_POS={binlog_position}"]
    else:
        return ""
    options = [
        f"{word}_HOST='{host}'",
        f"{word}_PORT={port}",
        f"{word}_USER='...'",
        f"{word}_PASSWORD='...'",
        *position,
        f"{word}_SSL=1",
    ]
    command = "CHANGE REPLICATION SOURCE" if word == "SOURCE" else "CHANGE MASTER"
    return f"{command} TO {', '.join(options)};"
