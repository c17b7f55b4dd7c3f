"""Tables that a clone leaves out: saved by SELECT, and equal to the last bit when they are back."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from backups.engines.clone.restored import read_donor
from backups.models import Backup, Evidence, Instance
from backups.states import Operation
from tests.commands import run_command
from tests.live.clone_jobs import USER, add_instance, make_main, start_options, take
from tests.live.mysql import PrivateMysql, program

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

READ = "GRANT SELECT, LOCK TABLES ON *.* TO bk@'127.0.0.1'"
ODD = "`odd-schema/é`"
EVERY_TYPE = """
    CREATE TABLE shop.every (
        id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
        tiny TINYINT, small SMALLINT UNSIGNED, medium MEDIUMINT ZEROFILL, big BIGINT UNSIGNED,
        exact DECIMAL(65,30), f FLOAT, d DOUBLE, fixed FLOAT(7,3), flags BIT(11),
        day DATE, moment DATETIME(6), stamp TIMESTAMP(3) NULL, span TIME(6), year YEAR,
        c CHAR(9) CHARACTER SET latin1, v VARCHAR(99) CHARACTER SET utf8mb4,
        wide VARCHAR(20) CHARACTER SET utf16, sj VARCHAR(20) CHARACTER SET sjis,
        old TEXT CHARACTER SET cp1251, b BINARY(5), vb VARBINARY(40), blb MEDIUMBLOB,
        choice ENUM('a','it''s','ü'), many SET('x','y','z'), doc JSON, place POINT,
        shape GEOMETRY, twice BIGINT GENERATED ALWAYS AS (tiny * 2) STORED,
        virtual_twice BIGINT GENERATED ALWAYS AS (small * 2) VIRTUAL,
        hidden INT INVISIBLE DEFAULT 7,
        KEY (v), FULLTEXT KEY (v)
    ) ENGINE=MyISAM AUTO_INCREMENT=5000 COMMENT='; -- it''s\\n`all`'
"""
NAMES = (
    "tiny, small, medium, big, exact, f, d, fixed, flags, day, moment, stamp, span, year, c, v, "
    "wide, sj, old, b, vb, blb, choice, many, doc, place, shape, hidden"
)
VALUES = (
    """-128, 65535, 42, 18446744073709551615, -12345678901234567890123456789012345.123456789,
    0.1, 1e-300, 1.125, b'10110011101', '2024-02-29', '9999-12-31 23:59:59.999999',
    '2038-01-19 03:14:07.001', '-838:59:58.999999', 1901, 'ÿ ü', '𝄞 "it''s" \\\\ ', 'Ω',
    'ｱ表', 'Ж', x'0001020304', x'00ff275c0a0d1a22', x'', 'it''s', 'x,z',
    '{"k": [1, -0.0, null, "𝄞"]}', ST_GeomFromText('POINT(1 -0.5)'),
    ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))', 4326), 1""",
    """NULL, NULL, NULL, NULL, NULL, -0e0, -0e0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL""",
    """0, 0, 0, 0, -0.000000000000000000000000000001, 3.4028234e38, 1.7976931348623157e308, -0e0,
    b'0', '0000-00-00', '2024-02-00', '1970-01-01 00:00:01', '00:00:00', 0, '', '', '', '', '',
    '', '', REPEAT(x'00275cff', 262144), 'ü', '', 'null', NULL, NULL, NULL""",
    """1, 1, 1, 1, 1, 16777216, 0.1, 9.999, b'1', '1000-01-01', '2024-02-31 00:00:00', NULL,
    '12:00:00.5', 2155, '0', '0x00', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'x', '[]',
    NULL, NULL, 0""",
)
SETUP = (
    "SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'",
    "SET NAMES utf8mb4",
    "CREATE DATABASE shop CHARACTER SET latin1",
    f"CREATE DATABASE {ODD}",
    EVERY_TYPE,
    *(f"INSERT INTO shop.every ({NAMES}) VALUES ({values})" for values in VALUES),
    # A value that is not in the list.
    "INSERT IGNORE INTO shop.every (id, choice) VALUES (0, 'none of them')",
    f"CREATE TABLE {ODD}.`.. 'q' \\ #@\"` (`a``b` INT, `c%s` TEXT) ENGINE=MyISAM",
    f"INSERT INTO {ODD}.`.. 'q' \\ #@\"` VALUES (1, '%s %% ''')",
    "USE shop",
    "CREATE TABLE shop.many (id INT NOT NULL PRIMARY KEY, word CHAR(40)) ENGINE=MyISAM",
    "SET SESSION cte_max_recursion_depth = 100000",
    "INSERT INTO shop.many WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n "
    "WHERE i < 100000) SELECT i, LEFT(SHA2(i, 256), 40) FROM n",
    "CREATE TABLE shop.lines (a INT NOT NULL, b VARCHAR(20) NOT NULL) ENGINE=CSV",
    "INSERT INTO shop.lines VALUES (1, 'a,\"b\"'), (2, '')",
    "CREATE TABLE shop.old (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, t TEXT) ENGINE=ARCHIVE",
    "INSERT INTO shop.old (t) VALUES ('x'), (NULL)",
    "CREATE TABLE shop.empty (id INT) ENGINE=MyISAM",
    "CREATE TABLE shop.swift (id INT) ENGINE=MEMORY",
    "INSERT INTO shop.swift VALUES (1)",
    "CREATE TABLE shop.hole (id INT) ENGINE=BLACKHOLE",
    "CREATE TABLE shop.union_one (id INT) ENGINE=MyISAM",
    "INSERT INTO shop.union_one VALUES (7)",
    "CREATE TABLE shop.a_union (id INT) ENGINE=MERGE UNION=(shop.union_one)",
    "CREATE TRIGGER shop.marked BEFORE INSERT ON shop.many FOR EACH ROW "
    "SET NEW.word = CONCAT(NEW.word, '!')",
    "CREATE VIEW shop.seen AS SELECT * FROM shop.many",
)
WITH_ROWS = [
    "shop.every", "shop.many", "shop.lines", "shop.old", "shop.empty", "shop.union_one",
    f"{ODD}.`.. 'q' \\ #@\"`",
]  # fmt: skip


@pytest.fixture
def donor(tmp_path: Path) -> Iterator[PrivateMysql]:
    with PrivateMysql(tmp_path / "donor", {"log-bin": "binlog"}) as server:
        server.execute(*USER, *SETUP)
        yield server


@pytest.fixture
def instance(donor: PrivateMysql, tmp_path: Path, settings: Settings) -> Instance:
    make_main(tmp_path, settings)
    return add_instance(donor, "--save-foreign-tables")


def content(server: PrivateMysql) -> dict[str, Any]:
    """Return definition and checksum of every table with rows. Any: SQL's values."""
    return {
        name: (
            server.execute(f"SHOW CREATE TABLE {name}")[0][1],
            server.execute(f"CHECKSUM TABLE {name} EXTENDED")[0][1],
            server.execute(f"SELECT COUNT(*) FROM {name}"),
        )
        for name in WITH_ROWS
    }


def test_every_value_comes_back(donor: PrivateMysql, instance: Instance, tmp_path: Path) -> None:
    before = content(donor)
    refused = take()
    assert refused.exit_code == 3
    assert "Run GRANT SELECT, LOCK TABLES ON *.* TO `bk`@`127.0.0.1`;" in refused.json()["hint"]
    donor.execute(READ)
    taken = take()
    assert taken.exit_code == 0, taken.stdout
    label = taken.json()["label"]
    backup = Backup.objects.get(label=label)
    assert backup.lock_time is not None
    assert backup.lock_time > timedelta(0)
    assert backup.facts["saved_tables"] == "10"

    tested = run_command("testrestore", label, "--foreground", "--json")
    assert tested.exit_code == 0, tested.stdout
    report = Evidence.objects.get(operation=Operation.RESTORE_TEST).report
    rows = {(table["schema"], table["name"]): table["rows"] for table in report["tables"]}
    assert rows["shop", "many"] == 100_000

    target = tmp_path / "restored"
    words = [label, "--to", str(target), "--foreground", "--json"]
    restored = run_command("restorebackup", *words)
    assert restored.exit_code == 0, restored.stdout
    assert not (target / "mooring-foreign").exists()
    with PrivateMysql(target, start_options(target)) as server:
        assert content(server) == before
        assert server.execute("SELECT @@GLOBAL.gtid_executed")[0][0] == backup_gtids(label)
        # The trigger is there; it did not fire while rows were loaded, or they would differ.
        server.execute("INSERT INTO shop.many VALUES (0, 'x')")
        assert server.execute("SELECT word FROM shop.many WHERE id = 0") == [("x!",)]
        assert server.execute("SELECT COUNT(*) FROM shop.seen") == [(100_001,)]
        assert server.execute("SELECT * FROM shop.a_union") == [(7,)]
        assert server.execute("SELECT COUNT(*) FROM shop.swift") == [(0,)]
        assert server.log_errors() == []


def backup_gtids(label: str) -> str:
    return Backup.objects.get(label=label).gtid_executed


def test_a_raw_restore_leaves_the_files(
    donor: PrivateMysql, instance: Instance, tmp_path: Path
) -> None:
    donor.execute(READ)
    label = take().json()["label"]
    target = tmp_path / "raw"
    words = [label, "--to", str(target), "--raw", "--foreground"]
    assert run_command("restorebackup", *words).exit_code == 0
    saved = read_donor(target)["saved_tables"]
    assert {Path(table["path"]).parts[0] for table in saved} == {"mooring-foreign"}
    assert all((target / table["path"]).is_file() for table in saved)
    assert max((target / table["path"]).stat().st_size for table in saved) > 3 << 20
    # As docs/restore-by-hand.md says it.
    with PrivateMysql(target, start_options(target)) as server:
        client = [program("mysql"), "--protocol=tcp", "--host=127.0.0.1", "--user=root"]
        for table in saved:
            with (target / table["path"]).open("rb") as script:
                subprocess.run([*client, f"--port={server.port}"], stdin=script, check=True)
        assert content(server) == content(donor)


def test_one_backup_may_do_without(donor: PrivateMysql, instance: Instance) -> None:
    ended = run_command(
        "takebackup", "bank-1", "--no-save-foreign-tables", "--foreground", "--json"
    )
    assert ended.exit_code == 0, ended.stdout
    assert Backup.objects.get().facts["saved_tables"] == "0"
    assert Backup.objects.get().lock_time == timedelta(0)


def test_a_damaged_table_fails_the_backup_by_name(donor: PrivateMysql, instance: Instance) -> None:
    donor.execute(READ, "FLUSH TABLES")
    (donor.folder / "shop" / "many.MYI").write_bytes(b"not an index")
    ended = take()
    assert ended.exit_code == 1, ended.stdout
    assert "`shop`.`many` could not be saved" in ended.json()["error"]
    assert "--no-save-foreign-tables" in ended.json()["hint"]
    assert not Backup.objects.exists()


def test_what_was_not_saved_is_neither_a_pass_nor_a_fault(
    donor: PrivateMysql, instance: Instance
) -> None:
    Instance.objects.update(save_foreign_tables=False)
    label = take().json()["label"]
    tested = run_command("testrestore", label, "--foreground", "--json")
    assert tested.exit_code == 0, tested.stdout
    report = Evidence.objects.get(operation=Operation.RESTORE_TEST).report
    said = {(table["schema"], table["name"]): table for table in report["tables"]}
    assert said["shop", "old"]["verdict"] == "unknown"
    assert said["shop", "many"]["message"] == "not in the backup"


def test_what_the_account_could_not_see_is_no_pass_either(
    donor: PrivateMysql, instance: Instance
) -> None:
    Instance.objects.update(save_foreign_tables=False)
    donor.execute("REVOKE REFERENCES ON *.* FROM bk@'127.0.0.1'")
    label = take().json()["label"]
    assert "foreign_tables" not in Backup.objects.get().facts
    tested = run_command("testrestore", label, "--foreground", "--json")
    assert tested.exit_code == 0, tested.stdout
    report = Evidence.objects.get(operation=Operation.RESTORE_TEST).report
    of_shop = {table["name"]: table for table in report["tables"] if table["schema"] == "shop"}
    assert {each["verdict"] for each in of_shop.values()} == {"unknown"}
    assert of_shop["many"]["message"] == "not in the backup"
