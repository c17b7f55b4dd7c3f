"""Backups of a private MySQL by the product's own commands, for the tests of whole jobs."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pytest_django import Settings

from backups.engines.clone.keyring import keyring_of
from backups.engines.clone.restored import read_donor, server_options
from backups.innodb.pages import is_whole, page_size_of
from backups.models import Instance, Repository
from tests.backups.conftest import make_repository
from tests.commands import Ended, run_command
from tests.live.mysql import PrivateMysql, program
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


def add_instance(server: PrivateMysql, *words: str) -> Instance:
    file = Path(TEST_HOME) / "given-password"
    file.write_text(PASSWORD)
    account = ["--port", str(server.port), "--user", "bk", "--password-file", str(file)]
    ended = run_command("addinstance", "bank-1", *account, *words)
    file.unlink()
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


def check_pages(folder: Path) -> int:
    """Have the server's own tool verify every page before a server touches them."""
    paths = [*folder.rglob("*.ibd"), *folder.glob("ibdata*"), *folder.glob("undo_*")]
    for path in paths:
        argv = [program("innochecksum"), str(path)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{path}: {done.stderr}"
        assert torn_pages(path) == [], path
    return len(paths)


def torn_pages(path: Path) -> list[int]:
    """Return the pages our own reader calls damaged."""
    content = path.read_bytes()
    size = page_size_of(int.from_bytes(content[54:58], "big"))
    pages = [content[at : at + size.physical] for at in range(0, len(content), size.physical)]
    return [n for n, page in enumerate(pages) if not is_whole(page, compressed=size.compressed)]


def start_options(folder: Path) -> dict[str, str]:
    return server_options(read_donor(folder), encrypted=keyring_of(folder) is not None)
