"""What do a source's settings mean for its archive, and how far behind is it?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from backups.binlog_archive.receiving.checks import check_grants, check_source
from backups.binlog_archive.receiving.source import (
    SemiSync,
    SourceFacts,
    lag_bytes,
    read_semi_sync,
    warnings_of,
)
from backups.binlogs.dump.start import SourceFile
from backups.checks import Verdict
from backups.instances.grants import parse_grants

GOOD = {
    "binlog_format": "ROW",
    "binlog_row_image": "FULL",
    "binlog_checksum": "CRC32",
    "sync_binlog": "1",
    "binlog_expire_logs_seconds": "2592000",
    "rpl_semi_sync_source_enabled": "ON",
    "rpl_semi_sync_source_wait_point": "AFTER_SYNC",
}
FILES = [SourceFile("bin.000001", 1000), SourceFile("bin.000002", 600)]


def facts(**changed: str) -> SourceFacts:
    return SourceFacts("a", "mysql", "9.7.4", FILES, {**GOOD, **changed})


def test_good_settings_have_no_warning() -> None:
    assert warnings_of(facts(), acknowledge=True) == []
    assert check_source(facts(), acknowledge=True)[0].verdict is Verdict.OK


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("binlog_format", "MIXED", "binlog_format is MIXED"),
        ("binlog_row_image", "MINIMAL", "binlog_row_image is MINIMAL"),
        ("binlog_checksum", "NONE", "changed bytes are not noticed"),
        ("sync_binlog", "0", "sync_binlog is 0"),
        ("log_replica_updates", "OFF", "replicates is in no binary log"),
        ("binlog_do_db", "shop", "changes of other databases are in no binary log"),
        ("binlog_ignore_db", "tmp", "binlog_ignore_db is tmp"),
        ("binlog_expire_logs_seconds", str(timedelta(hours=6).seconds), "purges binary logs after"),
        ("rpl_semi_sync_source_enabled", "OFF", "semi-synchronous replication is off"),
        ("rpl_semi_sync_source_wait_point", "AFTER_COMMIT", "waits at AFTER_COMMIT"),
    ],
)
def test_a_setting_that_endangers_recovery_is_named(name: str, value: str, words: str) -> None:
    (warning,) = warnings_of(facts(**{name: value}), acknowledge=True)
    assert words in warning


def test_a_mariadb_that_replicates_logs_what_it_replicates() -> None:
    # Its default, and no risk where nothing is replicated.
    off = {**GOOD, "log_slave_updates": "OFF", "slaves_running": "0", "gtid_slave_pos": ""}
    for changed, count in (
        ({}, 0), ({"slaves_running": "1"}, 1), ({"gtid_slave_pos": "0-1-5"}, 1),
        ({"slaves_running": "1", "log_slave_updates": "ON"}, 0),
    ):  # fmt: skip
        source = SourceFacts("a", "mariadb", "10.11.18", FILES, {**off, **changed})
        assert len(warnings_of(source, acknowledge=False)) == count, changed


def test_files_that_are_never_purged_are_no_risk() -> None:
    assert warnings_of(facts(binlog_expire_logs_seconds="0"), acknowledge=False) == []


def test_the_lag_is_what_the_source_has_more() -> None:
    assert lag_bytes(FILES, "bin.000001", 900) == 700
    assert lag_bytes(FILES, "bin.000002", 600) == 0
    assert lag_bytes(FILES, "bin.000007", 600) is None


def test_of_another_history_nobody_knows_how_much_is_not_here() -> None:
    assert lag_bytes(FILES, "bin.000002", 900, known=600) == 0
    assert lag_bytes(FILES, "bin.000002", 900, known=601) is None
    assert lag_bytes(FILES, "bin.000001", 1001, known=1001) is None


@pytest.mark.parametrize(
    ("grant", "verdict"),
    [
        ("REPLICATION SLAVE, REPLICATION CLIENT", Verdict.OK),
        ("REPLICATION SLAVE, BINLOG MONITOR", Verdict.OK),
        ("ALL PRIVILEGES", Verdict.OK),
        ("REPLICATION CLIENT", Verdict.WARNING),
    ],
)
def test_the_rights_of_a_receiver(grant: str, verdict: Verdict) -> None:
    grants = parse_grants("m@%", [f"GRANT {grant} ON *.* TO `m`@`%`"])
    check = check_grants(grants)
    assert check.verdict is verdict
    assert ("GRANT REPLICATION SLAVE" in check.hint) == (verdict is Verdict.WARNING)


@pytest.mark.parametrize(
    ("clients", "awaited", "status", "waits"),
    [
        (1, 1, "ON", True),
        # The other one's answer would do.
        (2, 1, "ON", False),
        (2, 2, "ON", True),
        (0, 1, "ON", False),
        (1, 1, "OFF", False),
    ],
)
def test_a_commit_waits_for_us_only_if_it_waits_for_all(
    clients: int, awaited: int, status: str, waits: bool
) -> None:
    name = "rpl_semi_sync_source"
    settings = {f"{name}_enabled": "ON", f"{name}_wait_for_replica_count": str(awaited)}
    found = read_semi_sync(settings, {f"{name}_status": status, f"{name}_clients": str(clients)})
    assert found == SemiSync(enabled=True, waits=waits)


def test_mariadb_waits_for_one() -> None:
    name = "rpl_semi_sync_master"
    settings = {f"{name}_enabled": "ON"}
    for clients in (1, 2):
        status = {f"{name}_status": "ON", f"{name}_clients": str(clients)}
        assert read_semi_sync(settings, status).waits is (clients == 1)
