"""What does a replica ask before it reads the stream, and what is it answered?"""

from __future__ import annotations

import re
import struct
import uuid
from dataclasses import dataclass, field

from backups.binlogs.source.served import Served
from backups.binlogs.source.wire import Wire, error_packet, ok_packet, result_packets

_UNKNOWN_COMMAND = 1047
_QUERY, _PING, _REGISTER = 3, 14, 21
DUMP, DUMP_GTID = 18, 30
QUIT = 1
_STATE = re.compile(r"@slave_connect_state\s*=\s*'([^']*)'", re.IGNORECASE)
_VARIABLE = re.compile(r"@@global\.(\w+)|@(\w+)", re.IGNORECASE)


@dataclass(slots=True)
class ReplicaSession:
    """What one connection has said about itself."""

    served: Served
    server_id: int
    # Whether the first file's events carry a checksum.
    checksummed: bool
    # MariaDB's position; None: it asks by file and position.
    connect_state: str | None = None
    source_uuid: str = field(default_factory=lambda: str(uuid.uuid4()))

    def answer(self, wire: Wire, request: bytes) -> None:
        """Answer anything that is no dump."""
        kind, text = request[0], request[1:].decode(errors="replace")
        if kind in {_PING, _REGISTER}:
            wire.send(ok_packet())
        elif kind != _QUERY:
            wire.send(error_packet(_UNKNOWN_COMMAND, "this source only serves a replica"))
        elif text.lstrip()[:4].upper() == "SET ":
            if state := _STATE.search(text):
                self.connect_state = state[1]
            wire.send(ok_packet())
        else:
            columns, row = self._result(text)
            wire.send_all(result_packets(columns, row))

    def _result(self, query: str) -> tuple[list[str], list[str]]:
        if "UNIX_TIMESTAMP" in query.upper():
            # A replay is not late.
            return ["UNIX_TIMESTAMP()"], ["0"]
        if query.lstrip().upper().startswith("SHOW"):
            return ["Variable_name", "Value"], ["server_id", str(self.server_id)]
        found = _VARIABLE.search(query)
        name = (found[1] or found[2]).lower() if found else ""
        values = {
            "server_id": str(self.server_id),
            "server_uuid": self.source_uuid,
            "gtid_mode": self.served.gtid_mode,
            "gtid_domain_id": "0",
            "master_binlog_checksum": "CRC32" if self.checksummed else "NONE",
            "source_binlog_checksum": "CRC32" if self.checksummed else "NONE",
        }
        return [name or "value"], [values.get(name, "0")]


@dataclass(frozen=True, slots=True)
class DumpRequest:
    """Where a replica wants the stream to begin."""

    file: str
    position: int
    # MySQL's set, encoded; None where it asks by file and position.
    gtids: bytes | None


def read_dump(request: bytes) -> DumpRequest:
    """Read a COM_BINLOG_DUMP or COM_BINLOG_DUMP_GTID."""
    if request[0] == DUMP:
        position, _flags, _server = struct.unpack_from("<IHI", request, 1)
        return DumpRequest(request[11:].decode(errors="replace"), position, None)
    _flags, _server, length = struct.unpack_from("<HII", request, 1)
    at = 11 + length
    file = request[11:at].decode(errors="replace")
    position, size = struct.unpack_from("<QI", request, at)
    return DumpRequest(file, position, request[at + 12 : at + 12 + size])
