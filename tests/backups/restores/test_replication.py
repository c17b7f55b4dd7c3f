"""Which statement makes a replica of a restored server?"""

from __future__ import annotations

from backups.programs.compatibility import Version
from backups.restores.replication import replication_statement

NEW, OLD = Version(9, 7, 4), Version(8, 0, 22)


def test_by_gtid() -> None:
    statement = replication_statement(
        NEW,
        host="10.0.0.7",
        port=3307,
        binlog_file="binlog.000007",
        binlog_position=815,
        gtid_executed="5c1b:1-9",
    )
    assert statement == (
        "CHANGE REPLICATION SOURCE TO SOURCE_HOST='10.0.0.7', SOURCE_PORT=3307, "
        "SOURCE_USER='...', SOURCE_PASSWORD='...', SOURCE_AUTO_POSITION=1, SOURCE_SSL=1;"
    )


def test_by_file_and_position() -> None:
    statement = replication_statement(
        NEW, host="h", port=3306, binlog_file="binlog.000007", binlog_position=815
    )
    assert "SOURCE_LOG_FILE='binlog.000007', SOURCE_LOG_POS=815" in statement
    assert "AUTO_POSITION" not in statement


def test_in_the_words_of_an_old_server() -> None:
    statement = replication_statement(OLD, host="h", port=3306, gtid_executed="5c1b:1-9")
    assert statement.startswith("CHANGE MASTER TO MASTER_HOST='h'")
    assert "SOURCE" not in statement


def test_without_a_position_there_is_none() -> None:
    assert replication_statement(NEW, host="h", port=3306) == ""
