"""Statements that replicas easily get wrong: files, temporary tables, XA, domains, tags."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymysql.connections import Connection

Asked = list[tuple[Any, ...]]
SCHEMA = (
    "CREATE DATABASE kinds",
    "CREATE TABLE kinds.a (id INT PRIMARY KEY AUTO_INCREMENT, t VARCHAR(200))",
    "CREATE TABLE kinds.b (id INT PRIMARY KEY, t VARCHAR(200))",
    "CREATE TABLE kinds.loaded (id INT PRIMARY KEY, t VARCHAR(200))",
)
ROWS = (
    "INSERT INTO kinds.a (t) VALUES (REPEAT('x', 150)), (REPEAT('y', 150))",
    "INSERT INTO kinds.b VALUES (1, 'one'), (2, 'two')",
    "XA START 'decided'",
    "INSERT INTO kinds.a (t) VALUES ('decided')",
    "XA END 'decided'",
    "XA PREPARE 'decided'",
    "XA COMMIT 'decided'",
    "XA START 'rolled', 'back', 7",
    "INSERT INTO kinds.a (t) VALUES ('never')",
    "XA END 'rolled', 'back', 7",
    "XA PREPARE 'rolled', 'back', 7",
    "XA ROLLBACK 'rolled', 'back', 7",
    "CREATE TABLE kinds.c AS SELECT * FROM kinds.b",
    "UPDATE kinds.c SET t = 'three' WHERE id = 2",
)
STATEMENTS = (
    "SET SESSION binlog_format = 'STATEMENT'",
    "INSERT INTO kinds.a (t) VALUES (CONCAT('r', RAND())), (@@pseudo_thread_id)",
    "SET @mine = 'it''s'",
    "SET TIMESTAMP = 1700000000",
    "UPDATE kinds.b SET t = CONCAT(@mine, NOW(), LAST_INSERT_ID()) ORDER BY id LIMIT 1",
    "SET TIMESTAMP = DEFAULT",
    "BEGIN",
    "SAVEPOINT one",
    "INSERT INTO kinds.b VALUES (40, 'kept')",
    "SAVEPOINT two",
    "INSERT INTO kinds.b VALUES (41, 'not kept')",
    "ROLLBACK TO SAVEPOINT two",
    "COMMIT",
)
TEMPORARY = (
    "CREATE TEMPORARY TABLE kinds.gone (id INT PRIMARY KEY, t VARCHAR(200))",
    "INSERT INTO kinds.gone VALUES (100, 'from a temporary table')",
    "INSERT INTO kinds.b SELECT * FROM kinds.gone",
    # Open in the end.
    "INSERT INTO kinds.gone VALUES (101, 'later')",
)
CHECKSUMS = "CHECKSUM TABLE kinds.a, kinds.b, kinds.c, kinds.loaded"
MARIADB_MORE = (
    "SET SESSION server_id = 4000000, gtid_domain_id = 5",
    "INSERT INTO kinds.b VALUES (50, 'another domain, the server id of the target')",
    "SET SESSION server_id = 9, gtid_domain_id = 0",
    "INSERT INTO kinds.b VALUES (51, 'another server')",
    "SET SESSION gtid_seq_no = 3",
    "INSERT INTO kinds.b VALUES (52, 'a number that went back')",
    "SET SESSION server_id = 1, skip_replication = 1",
    "INSERT INTO kinds.b VALUES (53, 'not for replicas')",
    "SET SESSION skip_replication = 0",
    "CREATE SEQUENCE kinds.s",
    "SELECT NEXT VALUE FOR kinds.s",
    "INSERT INTO kinds.b VALUES (54, NEXT VALUE FOR kinds.s)",
)
MYSQL_MORE = (
    "SET SESSION GTID_NEXT = 'AUTOMATIC:tagged'",
    "INSERT INTO kinds.b VALUES (60, 'tagged')",
    "INSERT INTO kinds.b VALUES (61, 'tagged and skipped')",
    "SET SESSION GTID_NEXT = 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:tagged:77'",
    "INSERT INTO kinds.b VALUES (62, 'of another server')",
    "SET SESSION GTID_NEXT = 'AUTOMATIC'",
)


def run(connection: Connection[Any], *statements: str) -> Asked:
    rows: Asked = []
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
            rows = list(cursor.fetchall())
    return rows


def fill(connect: Callable[[], Connection[Any]], folder: Path, more: tuple[str, ...]) -> Asked:
    loaded = folder / "loaded.txt"
    loaded.write_text("".join(f"{number}\tline {number}\n" for number in range(30_000)))
    loaded.chmod(0o644)
    with connect() as connection:
        run(connection, *ROWS)
        run(connection, *more)
        run(connection, *STATEMENTS)
        run(connection, f"LOAD DATA INFILE '{loaded}' INTO TABLE kinds.loaded")
        run(connection, *TEMPORARY)
    with connect() as connection:
        wanted = run(connection, CHECKSUMS)
        run(
            connection,
            "XA START 'open'",
            "INSERT INTO kinds.a (t) VALUES ('undecided')",
            "XA END 'open'",
            "XA PREPARE 'open'",
        )
    return wanted
