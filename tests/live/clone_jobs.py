"""Backups of a private MySQL by the product's own commands, for the tests of whole jobs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_django import Settings

from backups.clone_protocol import Endpoint
from backups.engines.clone.keyring import keyring_of
from backups.engines.clone.restored import read_donor, server_options
from backups.innodb.pages import is_whole, page_size_of
from backups.models import Instance, Repository
from tests.backups.conftest import make_repository
from tests.commands import Ended, run_command
from tests.live.mysql import PrivateMysql, know_scramble, program
from tests.settings import TEST_HOME

PASSWORD = "cl0ne-me-n0where"
USER = (
    "INSTALL PLUGIN clone SONAME 'mysql_clone.so'",
    f"CREATE USER bk@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
    "GRANT BACKUP_ADMIN ON *.* TO bk@'127.0.0.1'",
    "GRANT PROCESS, REFERENCES ON *.* TO bk@'127.0.0.1'",
)


def make_main(folder: Path, settings: Settings) -> Repository:
    """Make a repository with a key of its own, and name the server that restores."""
    settings.BACKUP_KEY_TEXT = ""
    settings.BACKUP_KEY_FILE = folder / "backup.key"
    settings.SCRATCH_FOLDER = folder / "scratch"
    settings.MYSQLD = program("mysqld")
    assert run_command("createbackupkey").exit_code == 0
    return make_repository("main", folder / "main")


@contextmanager
def account_words(server: PrivateMysql) -> Iterator[list[str]]:
    """Give the words by which ``addinstance`` learns of a server and its account."""
    file = Path(TEST_HOME) / "given-password"
    file.write_text(PASSWORD)
    know_scramble(Endpoint("bk", PASSWORD, port=server.port))
    yield ["--port", str(server.port), "--user", "bk", "--password-file", str(file)]
    file.unlink()


def add_instance(server: PrivateMysql, *words: str) -> Instance:
    with account_words(server) as account:
        ended = run_command("addinstance", "bank-1", *account, *words)
    assert ended.exit_code == 0, ended.stderr
    return Instance.objects.get(name="bank-1")


def take(*words: str) -> Ended:
    return run_command("takebackup", "bank-1", "--foreground", "--json", *words)


def taken() -> str:
    ended = take()
    assert ended.exit_code == 0, ended.stdout
    return str(ended.json()["label"])


def count(gtids: str) -> int:
    """Return how many transactions are in a GTID set of one server."""
    total = 0
    for interval in gtids.replace("\n", "").split(":")[1:]:
        first, _, last = interval.partition("-")
        total += int(last or first) - int(first) + 1
    return total


def executed(server: PrivateMysql) -> str:
    return str(server.execute("SELECT @@GLOBAL.gtid_executed")[0][0]).replace("\n", "")


def log_rows(server: PrivateMysql) -> int:
    return int(server.execute("SELECT COUNT(*) FROM bank.log")[0][0])


def damaged_tables(server: PrivateMysql) -> list[object]:
    """Have the server check every table of InnoDB's and return what it has against any."""
    tables = server.execute(
        "SELECT CONCAT('`', REPLACE(table_schema, '`', '``'), '`.`',"
        " REPLACE(table_name, '`', '``'), '`') FROM information_schema.tables"
        " WHERE engine = 'InnoDB' AND table_type = 'BASE TABLE'"
    )
    assert len(tables) > 20
    checks = [server.execute(f"CHECK TABLE {table}") for (table,) in tables]
    return [row for rows in checks for row in rows if row[2:] != ("status", "OK")]


def clones(server: PrivateMysql) -> int:
    """Return how many connections of clones a donor has."""
    sql = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND = 'clone'"
    return int(server.execute(sql)[0][0])


def check_pages(folder: Path) -> int:
    """Have the server's own tool verify every page before a server touches them."""
    system = sorted(folder.glob("ibdata*"))
    groups = [[path] for path in (*folder.rglob("*.ibd"), *folder.glob("undo_*"))]
    for paths in (system, *groups):
        # The files of one tablespace are one after the other, without a header of their own.
        content = b"".join(path.read_bytes() for path in paths)
        argv = [program("innochecksum"), "-"]
        done = subprocess.run(argv, input=content, capture_output=True, check=False)
        assert done.returncode == 0, f"{paths}: {done.stderr.decode()}"
        assert torn_pages(content) == [], paths
    return len(system) + len(groups)


def torn_pages(content: bytes) -> list[int]:
    """Return the pages our own reader calls damaged."""
    size = page_size_of(int.from_bytes(content[54:58], "big"))
    pages = [content[at : at + size.physical] for at in range(0, len(content), size.physical)]
    return [n for n, page in enumerate(pages) if not is_whole(page, compressed=size.compressed)]


def start_options(folder: Path) -> dict[str, str]:
    return server_options(read_donor(folder), encrypted=keyring_of(folder) is not None)
