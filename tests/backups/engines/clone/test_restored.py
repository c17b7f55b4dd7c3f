"""What a restored clone tells of its position, and which server may start on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backups.engines.base import CopyFacts, Prepared
from backups.engines.clone import CloneDetails
from backups.engines.clone.restored import (
    check_restore,
    parse_position,
    read_donor,
    relay_line,
    server_options,
)
from backups.exceptions import EngineError, Refused
from backups.models import Job
from backups.programs.redo_progress import RedoProgress
from backups.running.run import Run

WRITTEN = "1700\n1800\n./binlog.000007\n815\n5c1b:1-9,\n7a2c:1-3\n"


def test_a_position_with_gtids() -> None:
    assert parse_position(WRITTEN, "5c1b:1-9,\n7a2c:1-3") == Prepared(
        detail="recovered, binlog binlog.000007:815, GTID 5c1b:1-9,7a2c:1-3",
        binlog_file="binlog.000007",
        binlog_position=815,
        gtid_executed="5c1b:1-9,7a2c:1-3",
    )


def test_a_note_of_a_recovery_is_life_and_no_line() -> None:
    run, redo = Run(Job()), RedoProgress()
    relay_line(run, redo, "2026-01-01T00:00:00Z 1 [Note] [MY-012533] [InnoDB] 10%")
    assert (run.activity, run.lines.qsize()) == (1, 0)
    relay_line(run, redo, "2026-01-01T00:00:00Z 1 [System] [MY-013576] [InnoDB] begun")
    assert (run.activity, run.lines.qsize()) == (2, 1)


def test_a_note_of_how_far_it_is_moves_the_meter() -> None:
    run, redo = Run(Job()), RedoProgress(19302890)
    head = "2026-01-01T00:00:00Z 1 [Note] [MY-013086] [InnoDB]"
    where = "parse redo log at lsn = 19286300, whereas checkpoint_lsn = 19286204 and start_lsn = 1"
    relay_line(run, redo, f"{head} Starting to {where}")
    relay_line(run, redo, f"{head} Doing recovery: scanned up to log sequence number 19302890")
    assert (run.meter.raw_bytes, run.meter.raw_bytes_total) == (16686, 33372)
    assert run.meter.current_file == "redo log read up to LSN 19302890 of 19302890"


def test_a_donor_without_binlog() -> None:
    found = parse_position("1700\n1800\n\n0\n", "")
    assert found == Prepared(detail="recovered, no binlog")


@pytest.mark.parametrize("text", ["", "1\n2\n3", "1\n2\nbinlog.000001\nnowhere\n"])
def test_what_no_server_writes(text: str) -> None:
    with pytest.raises(EngineError, match="has an unknown format"):
        parse_position(text, "")


def test_the_server_gets_what_shapes_the_files() -> None:
    variables = {
        "innodb_page_size": "4096",
        "innodb_data_file_path": "ibdata1:12M:autoextend",
        "lower_case_table_names": "1",
        "innodb_buffer_pool_size": "1",
    }
    assert server_options({"variables": variables}) == {
        "innodb-page-size": "4096",
        "innodb-data-file-path": "ibdata1:12M:autoextend",
        "lower-case-table-names": "1",
    }


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        ("ibdata1:12M:autoextend", "ibdata1:12M:autoextend"),
        ("/srv/a/ibdata1:12M;/srv/b/x:1G:autoextend:max:9G", "ibdata1:12M;x:1G:autoextend:max:9G"),
        ("a/ibdata1:12M", "ibdata1:12M"),
    ],
)
def test_the_files_of_the_system_tablespace_are_in_the_copys_folder(given: str, fits: str) -> None:
    donor = {"variables": {"innodb_data_file_path": given}}
    assert server_options(donor) == {"innodb-data-file-path": fits}


def test_two_of_one_name_have_no_room_in_one_folder() -> None:
    donor = {"variables": {"innodb_data_file_path": "/a/ibdata1:12M;/b/ibdata1:12M:autoextend"}}
    with pytest.raises(EngineError, match="several files named ibdata1"):
        server_options(donor)


def test_what_was_encrypted_stays_so_where_there_is_a_keyring() -> None:
    variables = {"innodb_redo_log_encrypt": "ON", "innodb_undo_log_encrypt": "OFF"}
    donor = {"variables": variables}
    assert server_options(donor, encrypted=True) == {"innodb-redo-log-encrypt": "ON"}
    assert server_options(donor) == {}


@pytest.mark.parametrize("content", ["", "[]", '{"format": 99}'])
def test_a_description_nobody_can_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "mysql").mkdir()
    (tmp_path / "mysql" / "mooring-donor.json").write_text(content)
    with pytest.raises(EngineError, match=r"mooring-donor\.json"):
        read_donor(tmp_path)


def test_a_description(tmp_path: Path) -> None:
    (tmp_path / "mysql").mkdir()
    described = {"format": 1, "variables": {}}
    (tmp_path / "mysql" / "mooring-donor.json").write_text(json.dumps(described))
    assert read_donor(tmp_path) == described


def script(folder: Path, says: str) -> str:
    path = folder / "mysqld"
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o700)
    return str(path)


BACKUP = CopyFacts(server_version="9.7.4")


def test_a_server_that_fits(tmp_path: Path) -> None:
    path = script(tmp_path, "/usr/sbin/mysqld  Ver 9.7.5 for Linux on x86_64")
    assert check_restore(BACKUP, path) == f"{path}: MySQL 9.7.5 (9.7 LTS) fits 9.7.4"


def test_encrypted_files_need_a_server_that_can_open_them(tmp_path: Path) -> None:
    path = script(tmp_path, "mysqld  Ver 9.7.5 for Linux on x86_64")
    with open(path, "a") as more:
        for name in ("basedir", "lc-messages-dir", "character-sets-dir", "plugin-dir"):
            more.write(f"echo {name} {tmp_path}\n")
    encrypted = CopyFacts(
        server_version="9.7.4", details=CloneDetails(keyring_file="mooring-keyring/keys")
    )
    with pytest.raises(Refused, match=r"files: .*/component_keyring_file\.so"):
        check_restore(encrypted, path)
    (tmp_path / "component_keyring_file.so").touch()
    assert check_restore(encrypted, path).endswith("fits 9.7.4")


@pytest.mark.parametrize(
    ("says", "problem"),
    [
        ("mysqld  Ver 8.4.3 for Linux on x86_64", "must be of one series"),
        ("mysqld  Ver 10.11.14-MariaDB-0+deb12u2 for debian-linux-gnu", "is not MySQL"),
        ("hello", "does not report its version"),
    ],
)
def test_a_server_that_does_not_fit(tmp_path: Path, says: str, problem: str) -> None:
    with pytest.raises(Refused, match=problem) as refusal:
        check_restore(BACKUP, script(tmp_path, says))
    assert "--mysqld PATH" in refusal.value.hint


def test_no_server_at_all(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be run"):
        check_restore(BACKUP, str(tmp_path / "nothing"))
