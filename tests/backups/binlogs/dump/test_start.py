"""Where does a receiver go on, and what is another history?"""

from __future__ import annotations

import pytest

from backups.binlogs.dump.errors import StreamEnd, explain_server_error
from backups.binlogs.dump.session import (
    DumpStart,
    ReplicaIdentity,
    acknowledgement,
    dump_command,
    session_statements,
)
from backups.binlogs.dump.start import Break, Held, SourceFile, decide_start, joined_file
from backups.binlogs.events.gtids import parse_gtids
from backups.exceptions import BinlogDamaged
from backups.programs.compatibility import MARIADB, MYSQL
from tests.backups.binlogs.made import SOURCE

FILES = [SourceFile(f"bin.00000{number}", 900) for number in (3, 4, 5)]
ME = ReplicaIdentity(3_000_000_000, SOURCE)


def held(file: str, *, identity: str = "a", at: int = 500, complete: bool = False) -> Held:
    return Held(identity, file, at, complete)


@pytest.mark.parametrize(
    ("has", "file", "position", "broken"),
    [
        (None, "bin.000005", 4, None),
        (held("bin.000004"), "bin.000004", 500, None),
        # Purged after all of it had been received.
        (held("bin.000002", complete=True), "bin.000003", 4, None),
        (held("bin.000002"), "bin.000003", 4, Break.GAP),
        (held("bin.000001", complete=True), "bin.000003", 4, Break.GAP),
        (held("bin.000009"), "bin.000003", 4, Break.RESET),
        (held("bin.000005", identity="b"), "bin.000003", 4, Break.SERVER),
    ],
)
def test_where_to_begin(has: Held | None, file: str, position: int, broken: Break | None) -> None:
    start = decide_start(has, "a", MYSQL, FILES, "")
    assert (start.at, start.broken) == (DumpStart(file, position), broken)
    assert bool(start.reason) == bool(broken)


def test_a_new_archive_begins_with_the_file_of_the_newest_backup() -> None:
    assert decide_start(None, "a", MYSQL, FILES, "bin.000004").at.file == "bin.000004"


def test_past_4_gib_mariadb_sends_the_whole_file() -> None:
    far = held("bin.000004", at=(1 << 32) + 5)
    assert decide_start(far, "a", MARIADB, FILES, "").at.position == 4
    assert decide_start(far, "a", MYSQL, FILES, "").at.position == (1 << 32) + 5


@pytest.mark.parametrize(
    ("has", "executed", "joins"),
    [
        (f"{SOURCE}:1-100", f"{SOURCE}:1-120", "f2"),
        (f"{SOURCE}:1-60", f"{SOURCE}:1-120", "f1"),
        # The new server lacks what is here; files between are purged; nothing is known.
        (f"{SOURCE}:1-200", f"{SOURCE}:1-120", None),
        (f"{SOURCE}:1-10", f"{SOURCE}:1-120", None),
        ("", f"{SOURCE}:1-120", None),
        ("0-1-100", "0-2-120", "f2"),
        ("0-1-10", "0-2-120", None),
    ],
)
def test_another_server_joins_where_it_has_all_that_is_here(
    has: str, executed: str, joins: str | None
) -> None:
    mariadb = executed.startswith("0-")
    before = ["0-1-90", "0-1-50"] if mariadb else [f"{SOURCE}:1-90", f"{SOURCE}:1-50"]
    files = [(name, parse_gtids(text)) for name, text in zip(("f2", "f1"), before, strict=True)]
    assert joined_file(parse_gtids(has), parse_gtids(executed), files) == joins


def test_the_session_of_each_flavour() -> None:
    mysql = session_statements(MYSQL, ME, heartbeat_seconds=2.5, acknowledge=True)
    assert any("@source_heartbeat_period=2500000000" in each for each in mysql)
    assert any(str(SOURCE) in each for each in mysql)
    assert any("@rpl_semi_sync_replica=1" in each for each in mysql)
    mariadb = session_statements(MARIADB, ME, heartbeat_seconds=1, acknowledge=False)
    assert "SET @mariadb_slave_capability=4" in mariadb
    assert not any("semi_sync" in each for each in mariadb)


def test_commands_and_answers_as_on_the_wire() -> None:
    at = DumpStart("b.000001", 300)
    assert dump_command(MYSQL, ME, at).hex() == "122c010000000000 5ed0b2".replace(" ", "") + (
        b"b.000001".hex()
    )
    assert dump_command(MARIADB, ME, at)[5:7] == b"\x02\0"
    far = dump_command(MYSQL, ME, DumpStart("b.000001", 1 << 33))
    assert (far[0], far[19:27], far[-8:]) == (0x1E, (1 << 33).to_bytes(8, "little"), bytes(8))
    with pytest.raises(BinlogDamaged):
        dump_command(MARIADB, ME, DumpStart("b.000001", 1 << 33))
    assert acknowledgement("b.1", 258) == b"\xef\x02\x01" + bytes(6) + b"b.1"


@pytest.mark.parametrize(
    ("code", "text", "end"),
    [
        (1236, "Could not find first log file name in binary log index file", StreamEnd.MISSING),
        (1236, "Client requested source to start replication from position > file size",
         StreamEnd.BEYOND),
        (1236, "Client requested master to start replication from impossible position; the first "
         "event", StreamEnd.BEYOND),
        (1236, "log event entry exceeded max_allowed_packet; Increase max_allowed_packet",
         StreamEnd.OTHER_HISTORY),
        (1236, "A replica with the same server_uuid/server_id as this replica has connected",
         StreamEnd.REFUSED),
        (4052, "A slave with the same server_id is connected", StreamEnd.REFUSED),
        (1236, "Binary log is not open", StreamEnd.REFUSED),
        (1227, "Access denied; you need REPLICATION SLAVE", StreamEnd.REFUSED),
        (1053, "Server shutdown in progress", StreamEnd.LOST),
    ],
)  # fmt: skip
def test_what_a_server_s_error_means(code: int, text: str, end: StreamEnd) -> None:
    error = explain_server_error(code, text)
    assert error.end is end
    assert text in str(error)
    assert bool(error.hint) == (end is StreamEnd.REFUSED)
