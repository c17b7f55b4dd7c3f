"""Do replays keep what replicas easily lose: statements, files, temporary tables, XA, domains?"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from backups.programs.compatibility import MARIADB, MYSQL
from backups.programs.private_server import PrivateServer, ServerOptions
from tests.live.binlog_folder import FolderBinlogs
from tests.live.mysql import PrivateMysql
from tests.live.odd_statements import (
    CHECKSUMS,
    MARIADB_MORE,
    MYSQL_MORE,
    SCHEMA,
    fill,
    run,
)
from tests.live.replaying import Archive, Replayer
from tests.live.server import new_mariadb

pytestmark = pytest.mark.live

COMPRESSED = {"log-bin-compress": "ON", "log-bin-compress-min-len": "10"}


@pytest.mark.parametrize("kind", ["plain", "compressed"])
def test_mariadb(tmp_path: Path, kind: str) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    new_mariadb(source)
    options = {"max-binlog-size": "256K", "event-scheduler": "OFF", "binlog-format": "ROW"}
    options |= COMPRESSED if kind == "compressed" else {}
    settings = ServerOptions(binlog=True, server_id=1, options=options)
    with PrivateServer(source, settings) as server, server.connect() as connection:
        run(connection, *SCHEMA)
        ((gtids,),) = run(connection, "SELECT @@GLOBAL.gtid_binlog_pos")
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("binlog.*"))
    with PrivateServer(source, settings) as server:
        with server.connect() as connection:
            ((file, position, *_),) = run(connection, "SHOW MASTER STATUS")
        wanted = fill(server.connect, source, MARIADB_MORE)
    archive = Archive(MARIADB, copy, FolderBinlogs(source), file, position, gtids)
    replayer = Replayer(archive, tmp_path / "data")
    done = replayer.replay(archive.served())
    assert done.passed.transactions == len(archive.transactions)
    assert done.open_xa == ("open",)
    with replayer.asked() as ask:
        assert ask(CHECKSUMS) == wanted


@pytest.mark.parametrize("kind", ["plain", "compressed"])
def test_mysql(tmp_path: Path, kind: str) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    options = {
        "max-binlog-size": "256K",
        "gtid-mode": "ON",
        "enforce-gtid-consistency": "ON",
        "secure-file-priv": "",
        "server-id": "4000000",
        "log-bin": "binlog",
    }
    options |= {"binlog-transaction-compression": "ON"} if kind == "compressed" else {}
    with PrivateMysql(source, options) as server:
        server.execute(*SCHEMA)
        ((gtids,),) = server.execute("SELECT @@GLOBAL.gtid_executed")
        server.stop()
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("binlog.*", "auto.cnf"))
    with PrivateMysql(source, options) as server:
        ((file, position, *_),) = server.execute("SHOW BINARY LOG STATUS")
        wanted = fill(server.connect, source, MYSQL_MORE)
        server.stop()
    archive = Archive(MYSQL, copy, FolderBinlogs(source), file, position, gtids)
    tagged = [each.gtid for _, each in archive.transactions if ":tagged:" in each.gtid]
    replayer = Replayer(archive, tmp_path / "data")
    done = replayer.replay(archive.served())
    assert done.passed.transactions == len(archive.transactions)
    assert done.open_xa == ("open",)
    with replayer.asked() as ask:
        assert ask(CHECKSUMS) == wanted
    replayer = Replayer(archive, tmp_path / "skipped")
    replayer.replay(archive.served(skipped={tagged[1]}))
    with replayer.asked() as ask:
        assert ask("SELECT id FROM kinds.b WHERE id BETWEEN 60 AND 62") == [(60,), (62,)]
