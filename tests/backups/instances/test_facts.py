"""What an instance says of itself, from the answers of servers that were asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, cast

import pytest
from pymysql.connections import Connection
from pymysql.cursors import DictCursor
from pymysql.err import OperationalError

from backups.exceptions import InstanceUnreachable
from backups.instances.clone_facts import CloneFacts, ForeignTable
from backups.instances.facts import InnodbSizes, ServerFacts, probe

Rows = Sequence[Mapping[str, Any]]

MARIADB = {
    "version": "10.11.19-MariaDB-0+deb12u1-log",
    "version_comment": "Debian 12",
    "hostname": "db-1",
    "server_uid": "3GsBIZNuozNMSCMWfr4GI0gHvvQ=",
    "server_id": "7",
    "datadir": "/var/lib/mysql/",
    "innodb_data_home_dir": "",
    "innodb_undo_directory": "./",
    "innodb_log_group_home_dir": "/redo/",
    "innodb_page_size": "16384",
    "log_bin": "ON",
    "binlog_format": "MIXED",
    "gtid_current_pos": "0-1-42",
}
MYSQL = {
    "version": "9.7.4-2",
    "version_comment": "(Debian)",
    "server_uuid": "5c1b",
    "datadir": "/data/",
    "log_bin": "ON",
    "gtid_executed": "5c1b:1-9",
    "max_allowed_packet": "67108864",
}


class FakeServer:
    """A connection to answers that were written down; asks for nothing else."""

    def __init__(self, variables: Mapping[str, str], grants: Sequence[str]) -> None:
        self.answers: dict[str, Rows] = {
            "SHOW GLOBAL VARIABLES": [
                {"Variable_name": name, "Value": value} for name, value in variables.items()
            ],
            "SELECT VERSION()": [{"version": variables["version"]}],
            "SELECT CURRENT_USER()": [{"account": "bk@localhost"}],
            "@mooring_sql_select_limit": [{"sql_select_limit": 3}],
            "SHOW GRANTS": [{"Grants for bk@localhost": line} for line in grants],
            "INNODB_SYS_TABLESPACES": [{"files": 13, "bytes": 228_900_864}],
            "INNODB_TABLESPACES_ENCRYPTION": [{"files": 2}],
            "Innodb_lsn_last_checkpoint": [{"Value": "46980"}],
            "Innodb_checkpoint_age": [{"Value": "6800107"}],
            "COMMAND = 'clone'": [{"n": 0}],
            "COALESCE(STATE": [],
            "metadata_locks": [],
            "PROCESSLIST": [{"seconds": 75}],
            "INNODB_TABLESPACES WHERE": [{"files": 7, "bytes": 73_629_696, "encrypted": 1}],
            "Innodb_redo_log_logical_size": [{"Value": "338432"}],
            "PLUGIN_NAME = 'clone'": [{"status": "ACTIVE"}],
            "SHOW SESSION STATUS": [{"Value": "ON"}],
            "ENGINE <> 'InnoDB'": [
                {"table_schema": "m", "table_name": "t", "engine": "MyISAM", "size_bytes": 1024}
            ],
        }
        self.found: Rows = []

    def cursor(self) -> FakeServer:
        return self

    def __enter__(self) -> FakeServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def execute(self, sql: str, parameters: tuple[object, ...] | None = None) -> None:
        for sign, rows in self.answers.items():
            if sign in sql:
                self.found = rows
                return
        raise OperationalError(2013, "Lost connection to server during query")

    def fetchall(self) -> Rows:
        return self.found


def ask(server: FakeServer) -> ServerFacts:
    return probe(cast("Connection[DictCursor]", server))


def test_mariadb() -> None:
    grant = "GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO `bk`@`localhost`"
    facts = ask(FakeServer(MARIADB, [grant]))
    assert (facts.flavour, facts.release) == ("mariadb", (10, 11, 19))
    assert (facts.datadir, facts.innodb_folders) == ("/var/lib/mysql/", ("/redo",))
    assert (facts.log_bin, facts.binlog_format, facts.gtid_position) == (True, "MIXED", "0-1-42")
    assert facts.page_size == 16384
    assert facts.identity == "3GsBIZNuozNMSCMWfr4GI0gHvvQ=, server_id 7"
    assert (facts.checkpoint_lsn, facts.redo_folder) == (46_980, "/redo")
    assert facts.innodb == InnodbSizes(228_900_864, 13, 2, 6_800_107)
    assert facts.longest_query == timedelta(seconds=75)
    assert facts.grants.account == "bk@localhost"


def test_mysql() -> None:
    facts = ask(FakeServer(MYSQL, ["GRANT PROCESS, REFERENCES ON *.* TO `root`@`localhost`"]))
    assert (facts.flavour, facts.release) == ("mysql", (9, 7, 4))
    assert (facts.identity, facts.gtid_position) == ("5c1b", "5c1b:1-9")
    assert facts.innodb == InnodbSizes(73_629_696, 7, 1, 338_432)
    assert facts.clone == CloneFacts(
        plugin="ACTIVE",
        max_allowed_packet=67_108_864,
        running_clones=0,
        foreign_tables=(ForeignTable("m", "t", "MyISAM", 1024),),
        uses_tls=True,
    )


def test_an_old_mysql_has_none_of_the_tables() -> None:
    server = FakeServer(MYSQL, ["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost`"])
    server.answers["PLUGIN_NAME = 'clone'"] = []
    del server.answers["INNODB_TABLESPACES WHERE"]
    facts = ask(server)
    assert facts.innodb is None
    assert facts.clone is not None
    assert facts.clone.plugin == ""


def test_an_account_without_the_privilege_learns_nothing() -> None:
    facts = ask(FakeServer(MYSQL, ["GRANT BACKUP_ADMIN ON *.* TO `bk`@`%`"]))
    assert facts.innodb is None
    assert facts.clone is not None
    assert (facts.clone.running_clones, facts.clone.foreign_tables) == (None, None)


def test_what_an_account_may_not_see_is_unknown() -> None:
    facts = ask(FakeServer(MARIADB, ["GRANT RELOAD ON *.* TO `bk`@`localhost`"]))
    assert facts.innodb is None
    assert facts.longest_query is None


def test_a_server_that_stops_answering() -> None:
    server = FakeServer(MARIADB, [])
    del server.answers["SHOW GRANTS"]
    with pytest.raises(InstanceUnreachable, match="Lost connection to server during query"):
        ask(server)


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        ("/redo/", "/redo"),
        ("./", "/var/lib/mysql"),
        ("", "/var/lib/mysql"),
        ("logs", "/var/lib/mysql/logs"),
    ],
)
def test_where_the_redo_log_is(given: str, folder: str) -> None:
    variables = {**MARIADB, "innodb_log_group_home_dir": given}
    grant = "GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO `bk`@`localhost`"
    assert ask(FakeServer(variables, [grant])).redo_folder == folder
