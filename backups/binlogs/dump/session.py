"""What is sent on a connection before a server streams its binary log?

Without these statements a server would leave events out, or rewrite them, or send no heartbeats.
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass

from backups.exceptions import BinlogDamaged
from backups.programs.compatibility import MARIADB, MYSQL

COM_BINLOG_DUMP = 0x12
COM_BINLOG_DUMP_GTID = 0x1E
# MariaDB: send the events with the text of statements, too. Without it they are left out silently.
SEND_ANNOTATIONS = 2
LONGEST_OLD_POSITION = (1 << 32) - 1
# Knows all events of MariaDB: with less, GTIDs are rewritten or left out.
_CAPABILITY = 4
# An empty GTID set: nothing is left out.
_EMPTY_SET = struct.pack("<Q", 0)


@dataclass(frozen=True, slots=True)
class ReplicaIdentity:
    """How Mooring names itself to a source; two of one identity disconnect each other."""

    server_id: int
    uuid: uuid.UUID


@dataclass(frozen=True, slots=True)
class DumpStart:
    """From where a server is to send its binary log."""

    file: str
    position: int


def session_statements(
    flavour: str, identity: ReplicaIdentity, *, heartbeat_seconds: float, acknowledge: bool
) -> list[str]:
    """Return the statements of a session that will receive."""
    period = int(heartbeat_seconds * 1_000_000_000)
    statements = [
        "SET @master_binlog_checksum='CRC32', @source_binlog_checksum='CRC32'",
        f"SET @master_heartbeat_period={period}, @source_heartbeat_period={period}",
    ]
    if flavour == MARIADB:
        statements.append(f"SET @mariadb_slave_capability={_CAPABILITY}")
    else:
        statements.append(f"SET @slave_uuid='{identity.uuid}', @replica_uuid='{identity.uuid}'")
    if acknowledge:
        statements.append("SET @rpl_semi_sync_slave=1, @rpl_semi_sync_replica=1")
    return statements


def dump_command(flavour: str, identity: ReplicaIdentity, start: DumpStart) -> bytes:
    """Return the command that begins the stream. A position past 4 GiB is for MySQL only."""
    name = start.file.encode()
    if start.position <= LONGEST_OLD_POSITION:
        flags = SEND_ANNOTATIONS if flavour == MARIADB else 0
        fields = struct.pack("<IHI", start.position, flags, identity.server_id)
        return bytes((COM_BINLOG_DUMP,)) + fields + name
    if flavour != MYSQL:
        raise BinlogDamaged(f"{start.file}: this server cannot send from {start.position}")
    head = struct.pack("<HII", 0, identity.server_id, len(name))
    tail = struct.pack("<QI", start.position, len(_EMPTY_SET)) + _EMPTY_SET
    return bytes((COM_BINLOG_DUMP_GTID,)) + head + name + tail


def acknowledgement(file: str, position: int) -> bytes:
    """Return the payload that confirms all up to ``position`` to a semi-synchronous source."""
    return b"\xef" + struct.pack("<Q", position) + file.encode()
