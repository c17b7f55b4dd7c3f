"""Work that leaves a trace: money that moves and never grows, and tables that come and go."""

from __future__ import annotations

import random
import threading
from types import TracebackType

import pymysql

from tests.live.mysql import PrivateMysql

ACCOUNTS = 500
TOTAL = ACCOUNTS * 1000

SCHEMA = (
    "CREATE DATABASE bank",
    "CREATE TABLE bank.account (id INT PRIMARY KEY, amount BIGINT NOT NULL)",
    "CREATE TABLE bank.log (id BIGINT AUTO_INCREMENT PRIMARY KEY, a INT, b INT, note CHAR(200))",
)
DDL = (
    "CREATE TABLE {name} (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(180)) {format}",
    "INSERT INTO {name} (t) SELECT LEFT(note, 180) FROM bank.log LIMIT 300",
    "ALTER TABLE {name} ADD COLUMN n INT DEFAULT 7, ALGORITHM=COPY",
    "ALTER TABLE {name} ADD INDEX (t), ALGORITHM=INPLACE",
    "RENAME TABLE {name} TO {name}_new, {other} TO {name}, {name}_new TO {other}",
    "RENAME TABLE {name} TO {name}_moved",
    "TRUNCATE TABLE {name}_moved",
    "INSERT INTO {other} (t) SELECT LEFT(note, 180) FROM bank.log LIMIT 300",
    "OPTIMIZE TABLE {other}",
    "ALTER TABLE {other} ENGINE=InnoDB",
    "DROP TABLE {name}_moved",
)


def prepare(server: PrivateMysql) -> None:
    accounts = ", ".join(f"({number}, 1000)" for number in range(ACCOUNTS))
    server.execute(*SCHEMA, f"INSERT INTO bank.account VALUES {accounts}")


class Load:
    """Writers and, with ``ddl``, a thread that changes tables. Use as a context."""

    def __init__(self, server: PrivateMysql, *, writers: int = 8, ddl: bool = True) -> None:
        self._server = server
        self._over = threading.Event()
        work = [self._transfer] * writers + [self._change_tables] * ddl
        self._threads = [threading.Thread(target=self._run, args=(each,)) for each in work]
        self.errors: list[BaseException] = []
        self.rounds = 0

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, work: object) -> None:
        try:
            assert callable(work)
            work()
        except BaseException as exc:
            self.errors.append(exc)

    def _transfer(self) -> None:
        chance = random.Random()
        with self._server.connect() as connection, connection.cursor() as cursor:
            while not self._over.is_set():
                source, target = chance.sample(range(ACCOUNTS), 2)
                try:
                    cursor.execute("BEGIN")
                    move = "UPDATE bank.account SET amount = amount + %s WHERE id = %s"
                    for amount, account in sorted([(-7, source), (7, target)], key=lambda p: p[1]):
                        cursor.execute(move, (amount, account))
                    cursor.execute(
                        "INSERT INTO bank.log (a, b, note) VALUES (%s, %s, %s)",
                        (source, target, f"{chance.random()}" * 9),
                    )
                    cursor.execute("COMMIT")
                except pymysql.err.OperationalError as exc:
                    if exc.args[0] not in (1213, 1205):
                        raise
                    cursor.execute("ROLLBACK")

    def _change_tables(self) -> None:
        formats = ("", "ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8")
        with self._server.connect() as connection, connection.cursor() as cursor:
            # Out of the binlog, so that every transaction in it has its row in bank.log.
            cursor.execute("SET SESSION sql_log_bin = 0")
            for statement in ("DROP DATABASE IF EXISTS churn", "CREATE DATABASE churn"):
                cursor.execute(statement)
            cursor.execute("USE churn")
            while not self._over.is_set():
                name, other = f"t{self.rounds}", f"o{self.rounds}"
                chosen = formats[self.rounds % 2]
                cursor.execute(DDL[0].format(name=other, format=chosen))
                for statement in DDL:
                    cursor.execute(statement.format(name=name, other=other, format=chosen))
                    if cursor.description:
                        cursor.fetchall()
                if self.rounds >= 10:
                    cursor.execute(f"DROP TABLE o{self.rounds - 10}")
                self.rounds += 1
