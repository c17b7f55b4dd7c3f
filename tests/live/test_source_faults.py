"""Tables that are broken on the instance are no fault of the copy; what the copy lost is one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.engines.mariadb_backup import MariadbBackup
from backups.models import Evidence
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.stages.proof.check_tables import check_table
from backups.states import Operation
from tests.live.faults import Place, make_place
from tests.live.server import LiveServer, free_port, new_mariadb

pytestmark = pytest.mark.live

BROKEN = (
    "CREATE DATABASE `od d`",
    "USE `od d`",
    "CREATE TABLE gone (id INT PRIMARY KEY) ENGINE=InnoDB",
    "ALTER TABLE gone DISCARD TABLESPACE",
    "CREATE TABLE child (id INT) ENGINE=MyISAM",
    "CREATE TABLE merged (id INT) ENGINE=MERGE UNION=(child)",
    "DROP TABLE child",
    "CREATE TABLE `left-over` (id INT PRIMARY KEY) ENGINE=InnoDB",
    "CREATE TABLE `whole-table` (id INT PRIMARY KEY) ENGINE=InnoDB",
    "CREATE TABLE crashed (id INT PRIMARY KEY, note CHAR(99)) ENGINE=MyISAM",
    "INSERT INTO crashed SELECT seq, MD5(seq) FROM seq_1_to_500",
    "CREATE TABLE `crashed-aria` (id INT PRIMARY KEY, note CHAR(99)) ENGINE=Aria",
    "INSERT INTO `crashed-aria` SELECT seq, MD5(seq) FROM seq_1_to_5000",
    "FLUSH TABLES",
    "CREATE TABLE parts (id INT PRIMARY KEY) ENGINE=InnoDB PARTITION BY HASH (id) PARTITIONS 2",
)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder, port = tmp_path_factory.mktemp("broken") / "data", free_port()
    new_mariadb(folder)
    with PrivateServer(folder, ServerOptions(port=port, binlog=True, server_id=1)) as server:
        live = LiveServer(server, "127.0.0.1", port)
        live.execute(*BROKEN)
        definition = folder / "od@0020d" / "left@002dover.frm"
        kept = definition.read_bytes()
        live.execute("DROP TABLE `od d`.`left-over`")
        definition.write_bytes(kept)
        rows = folder / "od@0020d" / "crashed.MYD"
        rows.write_bytes(rows.read_bytes()[:20_000])
        # The server finds the damage, and marks the table.
        assert live.execute("CHECK TABLE `od d`.crashed")[-1][3:] == ("Corrupt",)
        aria = folder / "od@0020d" / "crashed@002daria.MAD"
        aria.write_bytes(aria.read_bytes()[: 5 * 8192])
        assert live.execute("CHECK TABLE `od d`.`crashed-aria`")[-1][3:] == ("Corrupt",)
        yield live


@pytest.fixture
def place(broken: LiveServer, tmp_path: Path, settings: Settings, transactional_db: None) -> Place:
    return make_place(broken, tmp_path, settings)


def test_what_was_broken_before_is_not_held_against_the_copy(place: Place) -> None:
    ended = place.run("testrestore", place.label())
    assert ended.exit_code == 0, ended.json()["error"]
    report = Evidence.objects.get(operation=Operation.RESTORE_TEST, passed=True).report
    found = {table["name"]: table for table in report["tables"] if table["schema"] == "od d"}
    assert {name for name, table in found.items() if table["verdict"] == "unknown"} == {
        "gone",
        "merged",
        "left-over",
        "crashed",
        "crashed-aria",
    }
    assert (
        "tablespace was discarded there; Tablespace has been discarded" in found["gone"]["message"]
    )
    assert "(.frm) without a table in InnoDB; Table" in found["left-over"]["message"]
    assert "a table of this MERGE does not exist" in found["merged"]["message"]
    assert "it was marked as crashed there; " in found["crashed"]["message"]
    assert found["crashed"]["rows"] is None
    assert "broken on the instance too: it was marked" in found["crashed-aria"]["message"]
    assert found["crashed-aria"]["rows"] is None


def test_what_the_copy_lost_is_a_fault(place: Place) -> None:
    target = place.folder / "restored"
    assert place.restore(place.label(), target).exit_code == 0
    (target / "od@0020d" / "whole@002dtable.ibd").unlink()
    for partition in (target / "od@0020d").glob("parts#P#*.ibd"):
        partition.unlink()
    with (
        MariadbBackup().restored_server(target, server="", on_wait=lambda: None) as server,
        server.connect() as connection,
    ):
        for name in ("whole-table", "parts"):
            table = {"table_schema": "od d", "table_name": name, "engine": "InnoDB"}
            assert check_table(connection, table)["verdict"] == "failed"
