"""Tables of an engine that is a plugin: read where this host has it, unknown where it has not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from backups.models import Evidence
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.states import Operation
from tests.live.faults import Place, make_place
from tests.live.mariadb_plugins import plugin_folder
from tests.live.server import LiveServer, free_port, new_mariadb

pytestmark = pytest.mark.live

TABLES = (
    # As an operator does it: from then on the server's own list of plugins has them.
    "INSTALL SONAME 'ha_archive'",
    "INSTALL SONAME 'ha_blackhole'",
    "INSTALL SONAME 'ha_federatedx'",
    "INSTALL SONAME 'ha_connect'",
    "CREATE DATABASE old",
    "USE old",
    "CREATE TABLE old.visits (id INT, note VARCHAR(64)) ENGINE=ARCHIVE",
    "INSERT INTO old.visits SELECT seq, MD5(seq) FROM seq_1_to_3000",
    "CREATE TABLE old.hole (id INT) ENGINE=BLACKHOLE",
    "CREATE TABLE old.near (id INT) ENGINE=InnoDB",
    "CREATE TABLE old.rocks (id INT PRIMARY KEY, note VARCHAR(64)) ENGINE=ROCKSDB",
    "INSERT INTO old.rocks SELECT seq, MD5(seq) FROM seq_1_to_3000",
    "CREATE TABLE old.linked (line VARCHAR(99) NOT NULL) ENGINE=CONNECT TABLE_TYPE=DOS "
    "FILE_NAME='/etc/hostname'",
)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder, port = tmp_path_factory.mktemp("engines") / "data", free_port()
    new_mariadb(folder)
    options = {
        "plugin-dir": str(plugin_folder()),
        "plugin-maturity": "unknown",
        # As Debian's package does it: MariaDB 11.8 aborts where it is installed at run time.
        "plugin-load-add": "ha_rocksdb",
    }
    running = ServerOptions(port=port, binlog=True, server_id=1, options=options)
    with PrivateServer(folder, running) as server:
        live = LiveServer(server, "127.0.0.1", port)
        there = f"mysql://root@127.0.0.1:{port}/old/near"
        far = f"CREATE TABLE old.far (id INT) ENGINE=FEDERATED CONNECTION='{there}'"
        live.execute(*TABLES, far)
        yield live


@pytest.fixture
def place(engines: LiveServer, tmp_path: Path, settings: Settings, transactional_db: None) -> Place:
    place = make_place(engines, tmp_path, settings)
    # Its account has what every backup needs; RocksDB needs more.
    refused = place.take()
    assert (refused.exit_code, "SUPER (makes a checkpoint of RocksDB)" in refused.stdout) == (
        3,
        True,
    )
    engines.execute(refused.json()["hint"].removeprefix("Run "))
    return place


def checked(place: Place, label: str) -> dict[str, dict[str, Any]]:
    """Any: what is reported of a table has values of several types."""
    ended = place.run("testrestore", label)
    assert ended.exit_code == 0, ended.json()["error"]
    report = Evidence.objects.get(operation=Operation.RESTORE_TEST, passed=True).report
    return {table["name"]: table for table in report["tables"] if table["schema"] == "old"}


def test_this_hosts_own_libraries_read_them(place: Place, settings: Settings) -> None:
    settings.MARIADB_PLUGIN_FOLDER = str(plugin_folder())
    label = place.label()
    found = checked(place, label)
    assert (found["visits"]["verdict"], found["visits"]["rows"]) == ("ok", 3000)
    assert found["hole"]["rows"] == 0
    # Its rows are on another server, which a copy must not reach.
    assert found["far"]["verdict"] == "unknown"
    assert "the engine FEDERATED reads other files or servers" in found["far"]["message"]
    assert found["linked"]["verdict"] == "unknown"
    assert "the engine CONNECT reads other files or servers" in found["linked"]["message"]
    assert (found["rocks"]["verdict"], found["rocks"]["rows"]) == ("ok", 3000)
    restored = place.restore(label)
    assert restored.exit_code == 0, restored.json()["error"]
    assert list((place.folder / "restored" / "#rocksdb").glob("*.sst"))


def test_without_them_the_tables_are_unknown_and_the_copy_is_not_faulty(
    place: Place, settings: Settings
) -> None:
    empty = place.folder / "no-plugins"
    empty.mkdir()
    settings.MARIADB_PLUGIN_FOLDER = str(empty)
    found = checked(place, place.label())
    unknown = {name for name, table in found.items() if table["verdict"] == "unknown"}
    assert unknown == {"visits", "hole", "far", "rocks", "linked"}
    assert "this host's server has no storage engine ARCHIVE; " in found["visits"]["message"]
    assert "no storage engine BLACKHOLE; " in found["hole"]["message"]
    assert "no storage engine ROCKSDB; " in found["rocks"]["message"]
