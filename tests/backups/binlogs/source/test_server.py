"""Does the source serve the one replica it is for, and nobody else?"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from backups.binlogs.source.server import ReplaySource
from backups.binlogs.source.session import read_dump
from backups.programs.compatibility import MARIADB, MYSQL
from tests.backups.binlogs.made import file_of, mysql_gtid, query, xid
from tests.backups.binlogs.source.held import HeldBinlogs

FILE = file_of(mysql_gtid(1, 1), query(b"BEGIN"), xid())
NAME = "bin.000001"


@pytest.fixture(params=[MYSQL, MARIADB])
def source(request: pytest.FixtureRequest) -> Iterator[ReplaySource]:
    served = HeldBinlogs({NAME: FILE}).whole(request.param)
    with ReplaySource(socket.create_server(("127.0.0.1", 0)), served) as source:
        yield source


def log_in(source: ReplaySource, password: str) -> pymysql.connections.Connection:
    return pymysql.connect(
        host="127.0.0.1", port=source.port, user=source.account.user, password=password
    )


class TestReplaySource:
    def test_its_account_logs_in_and_is_answered(self, source: ReplaySource) -> None:
        with log_in(source, source.account.password) as connection:
            cursor = connection.cursor()
            cursor.execute("SET @master_heartbeat_period = 1")
            cursor.execute("SELECT @master_binlog_checksum")
            assert cursor.fetchall() == (("CRC32",),)
            cursor.execute("SELECT @@GLOBAL.SERVER_ID")
            assert cursor.fetchall() == ((str(source.server_id),),)

    def test_another_password_does_not(self, source: ReplaySource) -> None:
        for wrong in ("", source.account.password[:-1] + "g"):
            with pytest.raises(pymysql.err.OperationalError) as error:
                log_in(source, wrong)
            assert error.value.args[0] == 1045
        assert source.account.password not in repr(source.account)

    def test_it_does_nothing_else(self, source: ReplaySource) -> None:
        with log_in(source, source.account.password) as connection:
            with pytest.raises(pymysql.err.Error):
                connection.select_db("mysql")
            connection.ping(reconnect=False)

    def test_nonsense_ends_its_connection_alone(self, source: ReplaySource) -> None:
        with socket.create_connection(("127.0.0.1", source.port)) as link:
            link.sendall(b"\xff\xff\xff\x00" * 100)
            with contextlib.suppress(ConnectionResetError):
                while link.recv(4096):
                    pass
        log_in(source, source.account.password).close()


class FailingBinlogs(HeldBinlogs):
    """Can be read until the replica asks."""

    failing = False

    def read(self, file: str, start: int, stop: int) -> Iterator[bytes]:
        if FailingBinlogs.failing:
            raise OSError("the disk is gone")
        return super().read(file, start, stop)


class TestFailures:
    def test_whatever_ends_the_stream_is_known(self, monkeypatch: pytest.MonkeyPatch) -> None:
        served = FailingBinlogs({NAME: FILE}).whole(MYSQL)
        with ReplaySource(socket.create_server(("127.0.0.1", 0)), served) as source:
            # Any: what reads replies is not in the library's types.
            connection: Any = log_in(source, source.account.password)
            monkeypatch.setattr(FailingBinlogs, "failing", True)
            connection._execute_command(0x12, struct.pack("<IHI", 4, 0, 9) + NAME.encode())
            with pytest.raises(pymysql.err.Error):
                connection._read_packet()
            connection.close()
            assert source.dumps == 1
            assert "the disk is gone" in str(source.failure)


class TestRequests:
    def test_a_dump_by_place_and_by_set(self) -> None:
        place = read_dump(b"\x12" + struct.pack("<IHI", 4711, 0, 9) + b"bin.000007")
        assert (place.file, place.position, place.gtids) == ("bin.000007", 4711, None)
        head = b"\x1e" + struct.pack("<HII", 2, 9, 0) + struct.pack("<QI", 4, 8)
        asked = read_dump(head + bytes(8))
        assert (asked.file, asked.gtids) == ("", bytes(8))
