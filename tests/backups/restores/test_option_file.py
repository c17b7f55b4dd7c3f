"""The fragment of a my.cnf beside restored files: what is set, what is left to a person."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.programs.server_settings import ServerSettings, parse_server_settings
from backups.restores.option_file import build_option_file, quoted_value

VARIABLES = {
    "character_set_server": "utf8mb4",
    "collation_server": "utf8mb4_bin",
    "sql_mode": "ANSI_QUOTES",
    "time_zone": "+02:00",
    "innodb_redo_log_capacity": "104857600",
    "innodb_log_file_size": "50331648",
    "innodb_undo_directory": "/undo",
    "server_id": "7",
    "port": "3306",
    "log_bin_basename": "/data/binlog",
}
SERVER = ServerSettings(VARIABLES, {"clone": "mysql_clone.so"})


def built(server: ServerSettings, **external: str) -> list[str]:
    return build_option_file(
        Path("/srv/it"),
        label="a@b-F",
        shaping={"innodb-page-size": "8192", "lower-case-table-names": "1"},
        server=server,
        external_files=external,
        replication_off="skip-replica-start",
    ).splitlines()


def test_everything_a_server_needs() -> None:
    lines = built(SERVER, here="/there/a.ibd")
    assert [line for line in lines if line and not line.startswith("#")] == [
        "[mysqld]",
        'datadir = "/srv/it"',
        'innodb_page_size = "8192"',
        'lower_case_table_names = "1"',
        'character_set_server = "utf8mb4"',
        'collation_server = "utf8mb4_bin"',
        'sql_mode = "ANSI_QUOTES"',
        'innodb_redo_log_capacity = "104857600"',
        'default_time_zone = "+02:00"',
        "skip_replica_start = ON",
        "event_scheduler = OFF",
    ]
    for comment in (
        '# server_id = "7"',
        '# log_bin = "/data/binlog"',
        '# plugin_load_add = "clone=mysql_clone.so"',
        '# innodb_undo_directory = "/undo"',
        "# here was /there/a.ibd",
    ):
        assert comment in lines


def test_a_backup_that_tells_nothing_of_its_server() -> None:
    lines = built(parse_server_settings(None))
    assert [line for line in lines if line and not line.startswith("#")] == [
        "[mysqld]",
        'datadir = "/srv/it"',
        'innodb_page_size = "8192"',
        'lower_case_table_names = "1"',
        "skip_replica_start = ON",
        "event_scheduler = OFF",
    ]


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("plain", '"plain"'),
        ("", '""'),
        ("a #b", '"a #b"'),
        ('a"b', '"a\\"b"'),
        ("a\\nb", '"a\\\\nb"'),
        ("a\nb", '"a\\nb"'),
    ],
)
def test_values_are_quoted(value: str, quoted: str) -> None:
    assert quoted_value(value) == quoted
