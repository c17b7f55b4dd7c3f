"""Facts from the files the tool leaves in its stream."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.engines.mariadb_backup.metadata import (
    MariadbDetails,
    MetadataCollector,
    is_partial,
    parse_facts,
)
from backups.exceptions import EngineError
from tests.backups.engines.mbstreams import piece, records_of, whole

CAPTURED = Path(__file__).parents[2] / "data"
CHECKPOINTS = "backup_type = full-backuped\nfrom_lsn = 0\nto_lsn = 7\nlast_lsn = 9\n"
NEEDED = {"xtrabackup_checkpoints": CHECKPOINTS, "xtrabackup_info": "server_version = 10.11\n"}


def captured(version: str) -> dict[str, str]:
    folder = CAPTURED / f"mariadb-metadata-{version}"
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("version", "lsns"), [("10.11.19", (3182098, 3183491)), ("11.8.6", (3182068, 3183648))]
)
def test_captured_files_are_understood(version: str, lsns: tuple[int, int]) -> None:
    facts = parse_facts(captured(version))
    details = facts.details
    assert isinstance(details, MariadbDetails)
    assert (facts.from_lsn, facts.to_lsn, details.last_lsn) == (0, *lsns)
    assert (facts.binlog_file, facts.gtid_executed) == ("binlog.000002", "0-1-9")
    assert facts.binlog_position
    assert facts.server_version.startswith(f"{version}-MariaDB")
    assert facts.tool_version == f"{version}-MariaDB"
    assert (details.backup_type, details.incremental) == ("full-backuped", False)


@pytest.mark.parametrize(
    ("text", "coordinates"),
    [
        ("", ("", None, "")),
        ("b.000001\t5\t\n", ("b.000001", 5, "")),
        ("b.000001\t5\t0-1-2,1-1-3\n", ("b.000001", 5, "0-1-2,1-1-3")),
        ("b.000001\t5\t0-1-2,\n1-1-3\n", ("b.000001", 5, "0-1-2,1-1-3")),
    ],
)
def test_coordinates(text: str, coordinates: tuple[str, int | None, str]) -> None:
    facts = parse_facts(NEEDED | {"xtrabackup_binlog_info": text})
    assert (facts.binlog_file, facts.binlog_position, facts.gtid_executed) == coordinates


@pytest.mark.parametrize(
    ("settings", "plugins"),
    [
        ("[mysqld]\ninnodb_page_size=16384\n", None),
        (
            "[mysqld]\nplugin_load=file_key_management=file_key_management.so;provider_lz4;evil\n",
            "file_key_management provider_lz4",
        ),
    ],
)
def test_the_plugins_that_a_restore_needs(settings: str, plugins: str | None) -> None:
    details = parse_facts(NEEDED | {"backup-my.cnf": settings}).details
    assert isinstance(details, MariadbDetails)
    assert details.plugins == plugins


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ({}, "no mariadb_backup_checkpoints"),
        ({"xtrabackup_checkpoints": CHECKPOINTS}, "no mariadb_backup_info"),
        (NEEDED | {"xtrabackup_checkpoints": "to_lsn = 7\n"}, "no usable from_lsn"),
        (NEEDED | {"xtrabackup_checkpoints": "from_lsn = 0\nto_lsn = x\n"}, "no usable to_lsn"),
        (NEEDED | {"xtrabackup_binlog_info": "what"}, "are invalid"),
    ],
)
def test_a_copy_without_its_facts_is_refused(texts: dict[str, str], why: str) -> None:
    with pytest.raises(EngineError, match=why):
        parse_facts(texts)


def test_files_are_kept_while_they_pass() -> None:
    name = "xtrabackup_checkpoints"
    records = records_of(
        whole("a", b"x")
        + piece(name, b"to_")
        + piece(name, b"lsn", 3)
        + whole("b", b"y")
        + b"XBSTCK01\0E\x16\0\0\0"
        + name.encode()
    )
    collector = MetadataCollector()
    assert list(collector.watch(iter(records))) == records
    assert collector.texts() == {name: "to_lsn"}


def test_a_table_of_that_name_is_no_metadata() -> None:
    collector = MetadataCollector()
    list(collector.watch(records_of(whole("shop/xtrabackup_info", b"x"))))
    assert collector.texts() == {}


def test_endless_metadata_is_refused() -> None:
    with pytest.raises(EngineError, match="not a metadata file"):
        list(MetadataCollector().watch(records_of(whole("xtrabackup_info", bytes(1 << 21)))))


@pytest.mark.parametrize(
    ("command", "partial", "found"),
    [
        ("--backup --databases-file=/tmp/x --target-dir=/tmp", "Y", True),
        ("--backup --tables-exclude=^(shop[.](a))$ --target-dir=/tmp", "Y", False),
        ("--backup --target-dir=/tmp", "N", False),
    ],
)
def test_an_optimistic_copy_is_not_partial_though_the_tool_says_so(
    tmp_path: Path, command: str, partial: str, found: bool
) -> None:
    text = f"tool_command = {command}\npartial = {partial}\n"
    (tmp_path / "xtrabackup_info").write_text(text)
    assert is_partial(tmp_path) is found
