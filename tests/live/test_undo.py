"""Rows of real binlogs of both flavours: every type is read exactly, and reversed exactly."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pymysql.err import MySQLError
from pytest_django import Settings

from backups.binlog_archive.transactions.table_columns import LiveTables
from backups.binlogs.events.changes import TableRowChange
from backups.binlogs.undo.literals import literal
from backups.binlogs.undo.reverse import reverse, script
from backups.models import BinlogArchive, Instance
from tests.backups.binlog_archive.spooled import spool, timeline_of
from tests.commands import run_command
from tests.live.undoing import Source, content, source

__all__ = ["source"]

pytestmark = pytest.mark.live

# Name and type, then values as SQL: the ends of each range, zero, empty, what needs quoting.
NUMBERS = [
    ("tiny", "TINYINT", ["-128", "127", "0", "NULL"]),
    ("utiny", "TINYINT UNSIGNED", ["0", "255", "128"]),
    ("small", "SMALLINT", ["-32768", "32767"]),
    ("umed", "MEDIUMINT UNSIGNED", ["0", "16777215"]),
    ("med", "MEDIUMINT", ["-8388608", "8388607"]),
    ("num", "INT", ["-2147483648", "2147483647"]),
    ("unum", "INT UNSIGNED", ["4294967295"]),
    ("ubig", "BIGINT UNSIGNED", ["18446744073709551615", "0"]),
    ("big", "BIGINT", ["-9223372036854775808", "9223372036854775807"]),
    ("yr", "YEAR", ["0", "1901", "2155"]),
    ("dbl", "DOUBLE", ["-1.7976931348623157e308", "0.1", "3e-300"]),
    ("dec1", "DECIMAL(10,2)", ["-12345678.91", "0.05", "-0.05"]),
    ("dec2", "DECIMAL(65,30)", ["-" + "9" * 35 + "." + "1" * 30, "0"]),
    ("dec3", "DECIMAL(9,9)", ["0.123456789", "-0.000000001"]),
    ("dec4", "DECIMAL(18,0)", ["-999999999999999999", "7"]),
    ("bits", "BIT(13)", ["b'1010101010101'", "0"]),
    ("bits64", "BIT(64)", ["18446744073709551615"]),
    ("flag", "BOOLEAN", ["TRUE"]),
]
TEMPORAL = [
    ("d", "DATE", ["'0000-00-00'", "'9999-12-31'", "'2026-02-28'"]),
    ("t", "TIME", ["'-838:59:59'", "'838:59:59'", "'00:00:00'"]),
    ("t1", "TIME(1)", ["'-00:00:00.1'", "'01:02:03.9'"]),
    ("t4", "TIME(4)", ["'-12:34:56.7891'"]),
    ("t6", "TIME(6)", ["'-00:00:01.000001'", "'23:59:59.999999'"]),
    ("dt", "DATETIME", ["'0000-00-00 00:00:00'", "'9999-12-31 23:59:59'"]),
    ("dt3", "DATETIME(3)", ["'2026-11-30 04:05:06.789'"]),
    ("dt5", "DATETIME(5)", ["'1000-01-01 00:00:00.12345'"]),
    ("ts", "TIMESTAMP NULL", ["'2038-01-19 03:14:07'", "'1970-01-01 00:00:01'", "NULL"]),
    ("ts6", "TIMESTAMP(6) NULL", ["'2026-10-25 00:30:00.000001'"]),
]
TEXTS = [
    ("c", "CHAR(10)", ["'it''s'", "''", "'trailing  '"]),
    ("c300", "CHAR(255) CHARACTER SET utf8mb4", ["REPEAT('ü', 255)"]),
    ("vc", "VARCHAR(100) CHARACTER SET utf8mb4", ["'日本 🐬'", "'a\\\\b\\'c\\nd'"]),
    ("vc2", "VARCHAR(300) CHARACTER SET latin1", ["'grün'", "REPEAT('x', 300)"]),
    ("u16", "VARCHAR(20) CHARACTER SET utf16", ["'ab'", "'日本'"]),
    ("bin", "BINARY(8)", ["X'0001020300000000'", "X'FF'"]),
    ("vb", "VARBINARY(300)", ["X'00FF5C27'", "REPEAT(X'00', 300)"]),
    ("tt", "TINYTEXT", ["'tiny'"]),
    ("tx", "TEXT CHARACTER SET latin1", ["'größer'", "''"]),
    ("mt", "MEDIUMTEXT", ["REPEAT('m', 70000)"]),
    ("lb", "LONGBLOB", ["REPEAT(X'0102', 40000)", "''"]),
    ("en", "ENUM('one','two','three')", ["'three'", "'one'"]),
    ("st", "SET('a','b','c','d','e','f','g','h','i')", ["'a,i'", "''"]),
    ("js", "JSON", ['\'{"a": [1, -2.5, "x", null, true, 123456789012], "ä": {}}\'', "'[]'"]),
    ("geo", "GEOMETRY", ["ST_GeomFromText('POINT(1 2)')"]),
]
COLUMNS = [*NUMBERS, *TEMPORAL, *TEXTS]
MYSQL_ONLY = [("vec", "VECTOR(3)", ["STRING_TO_VECTOR('[1,2.5,-3]')"])]
MARIADB_ONLY = [
    ("cvc", "VARCHAR(5000) COMPRESSED", ["REPEAT('c', 4000)", "'x'"]),
    ("cbl", "BLOB COMPRESSED", ["REPEAT(X'01', 50000)"]),
    ("ip", "INET6", ["'2001:db8::1'"]),
]
LOOSE = "SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'"


def make_table(source: Source, name: str) -> list[tuple[str, str, list[str]]]:
    """Create a table of every type with one row per value."""
    columns = COLUMNS + (MYSQL_ONLY if source.mysql else MARIADB_ONLY)
    words = ", ".join(f"`{column}` {kind}" for column, kind, _ in columns)
    source.ask(f"DROP TABLE IF EXISTS shop.{name}")
    source.ask(LOOSE)
    source.ask(f"CREATE TABLE shop.{name} (id INT PRIMARY KEY, {words}) CHARSET utf8mb4")
    return columns


def insert_all(source: Source, name: str, columns: list[tuple[str, str, list[str]]]) -> int:
    most = max(len(values) for _, _, values in columns)
    source.ask("BEGIN")
    for row in range(most):
        values = ", ".join(values[row % len(values)] for _, _, values in columns)
        source.ask(f"INSERT INTO shop.{name} VALUES ({row}, {values})")
    source.ask("COMMIT")
    return most


class TestEveryType:
    def test_a_decoded_value_is_the_one_in_the_table(self, source: Source) -> None:
        columns = make_table(source, "types")
        source.begin()
        rows = insert_all(source, "types", columns)
        changes = [each for each in source.changes() if isinstance(each, TableRowChange)]
        assert len(changes) == rows
        known = LiveTables(source.connection).find(changes[0].table)
        assert known is not None
        for change in changes:
            image = change.row.after
            assert image is not None
            for place, (column, _, _) in enumerate(columns, 1):
                value = literal(image[place], change.table.columns[place], known[place])
                # No operator compares vectors.
                left, right = (
                    (f"HEX(`{column}`)", f"HEX({value})")
                    if column == "vec"
                    else (f"`{column}`", value)
                )
                found = source.ask(
                    "SELECT COUNT(*) FROM shop.types "
                    f"WHERE id = {image[0]!r} AND {left} <=> {right}"
                )
                assert found == [(1,)], f"{column} is not {value[:200]}"

    def test_is_reversed_to_the_last_byte(self, source: Source) -> None:
        columns = make_table(source, "back")
        insert_all(source, "back", columns)
        before = content(source, "back")
        source.begin()
        source.ask("BEGIN")
        source.ask("UPDATE shop.back SET id = id + 100 WHERE id = 0")
        for column, _, values in columns:
            source.ask(f"UPDATE shop.back SET `{column}` = {values[0]} WHERE id > 0")
        source.ask("UPDATE shop.back SET vc = 'last' WHERE id = 2")
        source.ask("DELETE FROM shop.back WHERE id IN (1, 100)")
        source.ask("INSERT INTO shop.back (id, ubig) VALUES (7, 18446744073709551615)")
        source.ask("COMMIT")
        assert content(source, "back") != before
        undone = source.undo()
        assert undone.problems == []
        source.run_script(undone)
        assert content(source, "back") == before


class TestScript:
    def test_a_row_changed_meanwhile_leaves_all_as_it_is(self, source: Source) -> None:
        source.ask("CREATE TABLE shop.a (id INT PRIMARY KEY, n INT)")
        source.ask("INSERT INTO shop.a VALUES (1, 1), (2, 2), (3, 3)")
        source.begin()
        source.ask("UPDATE shop.a SET n = n * 10")
        undone = source.undo()
        source.ask("UPDATE shop.a SET n = 21 WHERE id = 2")
        with pytest.raises(MySQLError, match="more than 1 row"):
            source.run_script(undone)
        assert content(source, "a") == [(1, 10), (2, 21), (3, 30)]
        source.ask("UPDATE shop.a SET n = 20 WHERE id = 2")
        source.run_script(undone)
        assert content(source, "a") == [(1, 1), (2, 2), (3, 3)]

    def test_the_client_runs_it(self, source: Source, tmp_path: Path) -> None:
        source.ask("CREATE TABLE shop.cl (t VARCHAR(50)) CHARSET latin1")
        source.ask("INSERT INTO shop.cl VALUES ('a;b'), ('-- x'), ('grün \\\\')")
        before = content(source, "cl")
        source.begin()
        source.ask("DELETE FROM shop.cl")
        file = tmp_path / "shop.sql"
        file.write_text("\n".join(script(source.undo(), ["what; it\nis"])), encoding="utf-8")
        socket = source.connection.unix_socket
        argv = ["mariadb", "--no-defaults", f"--socket={socket}", "--user=root"]
        with file.open("rb") as statements:
            done = subprocess.run(argv, stdin=statements, capture_output=True, check=True)
        assert b"complete" in done.stdout
        assert sorted(content(source, "cl")) == sorted(before)


class TestProblems:
    def test_what_has_no_full_image_is_named(self, source: Source) -> None:
        source.ask("CREATE TABLE shop.p (id INT PRIMARY KEY, n INT, m INT)")
        source.ask("INSERT INTO shop.p VALUES (1, 1, 1)")
        source.ask("SET SESSION binlog_row_image = MINIMAL")
        source.begin()
        source.ask("UPDATE shop.p SET n = 2")
        source.ask("DELETE FROM shop.p")
        source.ask("TRUNCATE shop.p")
        source.ask("SET SESSION binlog_row_image = FULL")
        undone = source.undo()
        assert undone.statements == []
        assert undone.problems == [
            "update on shop.p: the image has no value of n",
            "delete on shop.p: the image has no value of n, m",
            "a statement without row images: TRUNCATE shop.p",
        ]

    def test_an_altered_or_dropped_table_is_named(self, source: Source) -> None:
        source.ask("CREATE TABLE shop.x (id INT PRIMARY KEY)")
        source.ask("CREATE TABLE shop.y (id INT PRIMARY KEY)")
        source.begin()
        source.ask("INSERT INTO shop.x VALUES (1)")
        source.ask("INSERT INTO shop.y VALUES (1)")
        changes = source.changes()[:2]
        source.ask("ALTER TABLE shop.x ADD c INT")
        source.ask("DROP TABLE shop.y")
        undone = reverse(changes, LiveTables(source.connection).find)
        assert undone.problems[0] == "shop.x was altered: it has 2 columns today and had 1"

    def test_what_the_binlog_does_not_have_is_warned_of(self, source: Source) -> None:
        source.ask("CREATE TABLE shop.parent (id INT PRIMARY KEY) ENGINE=InnoDB")
        source.ask(
            "CREATE TABLE shop.child (id INT PRIMARY KEY, p INT, "
            "FOREIGN KEY (p) REFERENCES shop.parent (id) ON DELETE CASCADE) ENGINE=InnoDB"
        )
        source.ask("CREATE TRIGGER shop.tr AFTER DELETE ON shop.parent FOR EACH ROW SET @x = 1")
        source.ask("CREATE TABLE shop.my (id INT PRIMARY KEY) ENGINE=MyISAM")
        source.ask("INSERT INTO shop.parent VALUES (1)")
        source.begin()
        source.ask("DELETE FROM shop.parent")
        source.ask("INSERT INTO shop.my VALUES (1)")
        tables = LiveTables(source.connection)
        reverse(source.changes(), tables.find)
        assert tables.warnings == [
            "shop.parent has triggers, which act again: tr",
            "foreign keys to shop.parent cascade, and no binlog has what they changed in child",
            "shop.my is MyISAM: its changes cannot be rolled back",
        ]


@pytest.fixture
def archived(
    source: Source, tmp_path: Path, settings: Settings, transactional_db: None
) -> Callable[[], Instance]:
    """Puts what the source has written into the spool of an instance, and returns it."""
    settings.BINLOG_SPOOL = tmp_path / "spool"
    settings.BACKUP_KEY_TEXT, settings.BACKUP_KEY_FILE = "", tmp_path / "none.key"

    def archive() -> Instance:
        instance = Instance(
            name="undone",
            engine="clone" if source.mysql else "mariadb-backup",
            flavour="mysql" if source.mysql else "mariadb",
            socket=str(source.connection.unix_socket),
            user="root",
        )
        instance.set_password("")
        instance.save()
        row = BinlogArchive.objects.create(instance=instance, server_id=4712)
        timeline = timeline_of(instance)
        # Not the indexes that a MariaDB keeps beside them since 11.4.
        for path in sorted(each for each in source.folder.glob("bin.0*") if each.suffix != ".idx"):
            present = spool(timeline, path.name, path.read_bytes())
        row.received_file, row.received_position = present.file, present.position
        row.save()
        return instance

    return archive


class TestUndotransaction:
    def test_an_account_that_does_not_see_everything_is_refused(
        self, source: Source, archived: Callable[[], Instance], tmp_path: Path
    ) -> None:
        source.ask("CREATE TABLE shop.older (id INT PRIMARY KEY)")
        source.ask(
            "CREATE TABLE shop.younger (id INT PRIMARY KEY, older INT, "
            "FOREIGN KEY (older) REFERENCES shop.older (id) ON DELETE CASCADE)"
        )
        source.ask("INSERT INTO shop.older VALUES (1)")
        source.ask("CREATE USER half@localhost IDENTIFIED BY 'half'")
        # MariaDB shows such an account the table, and not what refers to it.
        source.ask("GRANT SELECT ON *.* TO half@localhost")
        instance, file = archived(), tmp_path / "undo.sql"
        listed = run_command("listtransactions", instance.name, "--table", "shop.older", "--json")
        name = listed.json()["transactions"][-1]["gtid"]
        instance.user = "half"
        instance.set_password("half")
        instance.save()
        words = ("undotransaction", instance.name, name, "--to-file", str(file))
        ended = run_command(*words)
        assert (ended.exit_code, file.exists()) == (3, False)
        assert "half@localhost does not see every table and foreign key" in ended.stderr
        assert "GRANT REFERENCES ON *.* TO" in ended.stderr

        source.ask("GRANT REFERENCES ON *.* TO half@localhost")
        ended = run_command(*words)
        assert ended.exit_code == 3
        assert "foreign keys change younger with them" in ended.stdout
        warnings = run_command(*words, "--json").json()["warnings"]
        assert any("whether shop.older has triggers" in each for each in warnings)

    def test_writes_a_file_that_brings_everything_back(
        self, source: Source, archived: Callable[[], Instance], tmp_path: Path
    ) -> None:
        source.ask("CREATE TABLE shop.cmd (id INT PRIMARY KEY, n VARCHAR(20))")
        source.ask("INSERT INTO shop.cmd VALUES (1, 'one'), (2, 'two'), (3, 'three')")
        before = content(source, "cmd")
        source.ask("DELETE FROM shop.cmd WHERE id > 1")
        instance, file = archived(), tmp_path / "undo.sql"
        listed = run_command("listtransactions", instance.name, "--table", "shop.cmd", "--json")
        name = listed.json()["transactions"][-1]["gtid"]
        ended = run_command("undotransaction", instance.name, name, "--to-file", str(file))
        assert (ended.exit_code, ended.stderr) == (0, "")
        assert "2 rows reversed" in ended.stdout
        assert file.stat().st_mode & 0o777 == 0o600
        with source.connect() as connection, connection.cursor() as cursor:
            for line in file.read_text(encoding="utf-8").splitlines():
                if not line.startswith("--"):
                    cursor.execute(line.removesuffix(";"))
        assert content(source, "cmd") == before
        again = run_command("undotransaction", instance.name, name, "--to-file", str(file))
        assert (again.exit_code, "File exists" in again.stderr) == (2, True)

    def test_a_later_change_of_the_same_row_is_found(
        self, source: Source, archived: Callable[[], Instance], tmp_path: Path
    ) -> None:
        source.ask("CREATE TABLE shop.late (id INT PRIMARY KEY, n INT)")
        source.ask("INSERT INTO shop.late VALUES (1, 1), (2, 2), (3, 3)")
        source.ask("UPDATE shop.late SET n = 20 WHERE id = 2")
        source.ask("UPDATE shop.late SET n = 30 WHERE id = 3")
        source.ask("DELETE FROM shop.late WHERE id = 2")
        instance, file = archived(), tmp_path / "undo.sql"
        listed = run_command("listtransactions", instance.name, "--table", "shop.late", "--json")
        *_, second, third, last = [each["gtid"] for each in listed.json()["transactions"]]
        ended = run_command("undotransaction", instance.name, second, "--to-file", str(file))
        assert ended.exit_code == 3
        assert f"a row of shop.late was changed again by {last} at " in ended.stdout
        assert f"--before-gtid {second}" in ended.stdout
        assert not file.exists()
        ended = run_command("undotransaction", instance.name, third, "--to-file", str(file))
        assert ended.exit_code == 0

    def test_what_foreign_keys_would_take_along_is_refused(
        self, source: Source, archived: Callable[[], Instance], tmp_path: Path
    ) -> None:
        source.ask("CREATE TABLE shop.mother (id INT PRIMARY KEY, n INT) ENGINE=InnoDB")
        source.ask(
            "CREATE TABLE shop.kid (id INT PRIMARY KEY, p INT, "
            "FOREIGN KEY (p) REFERENCES shop.mother (id) ON DELETE CASCADE) ENGINE=InnoDB"
        )
        source.ask("INSERT INTO shop.mother VALUES (1, 1), (2, 2)")
        source.ask("UPDATE shop.mother SET n = 20 WHERE id = 2")
        source.ask("INSERT INTO shop.kid VALUES (1, 1)")
        instance, file = archived(), tmp_path / "undo.sql"
        listed = run_command("listtransactions", instance.name, "--table", "shop.mother", "--json")
        *_, inserted, updated = [each["gtid"] for each in listed.json()["transactions"]]
        ended = run_command("undotransaction", instance.name, inserted, "--to-file", str(file))
        assert ended.exit_code == 3
        assert "foreign keys change kid with them, of which no binlog knows" in ended.stdout
        assert not file.exists()
        ended = run_command("undotransaction", instance.name, updated, "--to-file", str(file))
        assert (ended.exit_code, "foreign keys to shop.mother cascade" in ended.stdout) == (0, True)
