"""The demo's private MySQL, where one can be had: a smaller shop beside the MariaDB's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from backups.checks import Verdict
from backups.exceptions import Refused
from backups.instances.grants import PLUGIN_TABLE, quoted_account
from backups.programs.compatibility import CLONE, MYSQL, can_back_up
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.programs.server_program import ServerProgram, find_mysqld, mysql_program
from backups.runners.environment import tool_environment
from scripts import shop, shop_fill
from scripts.console import SetupError
from scripts.demo_shop import BACKUP_ACCOUNT, DemoShop
from scripts.fetching import fetch
from scripts.processes import ROOT
from scripts.shop import RowSum

# Where scripts/mysql_server.sh puts one.
UNPACKED = ROOT / "var" / "mysql" / "bin" / "mysqld"
WITHOUT = "Name one in MOORING_MYSQLD, or leave out --mysql."
# The biggest tables have so many times fewer rows than the MariaDB's.
SCALE = 10
OPTIONS: Mapping[str, str] = {
    "innodb-buffer-pool-size": "128M",
    "innodb-flush-log-at-trx-commit": "2",
    "sync-binlog": "0",
    "max-binlog-size": "64M",
    "gtid-mode": "ON",
    "enforce-gtid-consistency": "ON",
}
# MariaDB's words for what MySQL calls otherwise, or keeps otherwise.
WORDS = {
    "PERSISTENT": "STORED",
    "INET6": "VARCHAR(39)",
    "ENGINE=Aria TRANSACTIONAL=1": "ENGINE=MyISAM",
}
GRANTS = (
    "BACKUP_ADMIN, PROCESS, SELECT, LOCK TABLES ON *.*",
    f"INSERT ON {PLUGIN_TABLE}",
    "REPLICATION SLAVE, REPLICATION CLIENT, REFERENCES, TRIGGER ON *.*",
)


def find_demo_mysqld(*, fetch: bool) -> str:
    """Return the MySQL to use; blank where none is here and none is to be fetched.

    A mysqld on the PATH may be MariaDB's under its old name: its version tells.
    """
    for asked in (os.environ.get("MOORING_MYSQLD", ""), str(UNPACKED), ""):
        try:
            path, version = find_mysqld(asked)
        except Refused:
            continue
        if can_back_up(CLONE, MYSQL, version).verdict is Verdict.OK:
            return path
    return _fetched() if fetch else ""


def _fetched() -> str:
    fetch("MySQL", "mysql_server.sh", UNPACKED.parent.parent, otherwise=WITHOUT)
    return str(UNPACKED)


def _numbers(sequences: Sequence[tuple[int, int]]) -> str:
    """Return what stands in for MariaDB's sequence engine: a table, and a view for each."""
    most = max(last for _, last in sequences)
    statements = [
        f"SET SESSION cte_max_recursion_depth = {most + 1}",
        "CREATE TABLE shop.numbers (seq INT NOT NULL PRIMARY KEY)",
        "INSERT INTO shop.numbers WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL "
        f"SELECT i + 1 FROM n WHERE i < {most}) SELECT i FROM n",
    ]
    statements += [
        f"CREATE VIEW shop.seq_{first}_to_{last} AS "
        f"SELECT seq FROM shop.numbers WHERE seq BETWEEN {first} AND {last}"
        for first, last in sequences
    ]
    return "".join(f"{statement};\n" for statement in statements)


class DemoMysql(DemoShop):
    """The shop in a MySQL: cloned over its port, its plugin installed by the first backup."""

    instance = "shop-2"
    _name, _prefix = "mysql", "shop-mysql"
    instance_words = ("--allow-plugin-install", "--save-foreign-tables")

    def __init__(self, home: Path, mysqld: str) -> None:
        super().__init__(home)
        path, version = find_mysqld(mysqld)
        self.title = f"MySQL {version}"
        self._program: ServerProgram = mysql_program(path, version)
        self.proof_settings = ServerOptions(program=self._program)

    def _initialise(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True)
        words = [f"--{name}={value}" if value else f"--{name}" for name, value in self._words()]
        argv = [self._program.path, "--no-defaults", "--initialize-insecure", *words]
        argv += [f"--datadir={folder}", *(["--user=root"] if os.geteuid() == 0 else [])]
        done = subprocess.run(
            argv,
            env=tool_environment(),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            raise SetupError(f"no MySQL could be made: {done.stderr.strip()[-400:]}")
        settings = ServerOptions(program=self._program)
        # Before it listens on any port: nobody but us is ever root of it.
        with (
            PrivateServer(folder, settings) as server,
            server.connect() as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("ALTER USER root@localhost IDENTIFIED BY %s", (self.root_password,))

    def _words(self) -> list[tuple[str, str]]:
        return list(self._program.options.items())

    def _settings(self, port: int) -> ServerOptions:
        return ServerOptions(
            port=port, server_id=2, binlog=True, program=self._program, options=OPTIONS
        )

    def _make_rows(self) -> dict[str, RowSum]:
        script = shop_fill.schema()
        for theirs, ours in WORDS.items():
            script = script.replace(theirs, ours)
        sequences = sorted(shop_fill.sequences(SCALE))
        sums = shop.fill(self.connect, script=script + _numbers(sequences), scale=SCALE)
        views = ", ".join(f"shop.seq_{first}_to_{last}" for first, last in sequences)
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP VIEW {views}")
            cursor.execute("DROP TABLE shop.numbers")
        return sums

    def _create_backup_user(self) -> None:
        account = quoted_account(BACKUP_ACCOUNT)
        password = self.password_file.read_text(encoding="utf-8").strip()
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE USER IF NOT EXISTS {account}")
            cursor.execute(f"ALTER USER {account} IDENTIFIED BY %s", (password,))
            for grant in GRANTS:
                cursor.execute(f"GRANT {grant} TO {account}")
