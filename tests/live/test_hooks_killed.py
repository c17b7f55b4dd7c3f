"""kill -9 of a worker in a hook, and between hooks: what was held is released, and once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.backups.hooks.made import hooks_file, shell_hook
from tests.live.mooring_site import Site, private_site, wait_until
from tests.live.server import LiveServer
from tests.live.victim import LATE_TICK

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def site(mariadb: LiveServer) -> Iterator[Site]:
    with private_site(mariadb) as site:
        yield site


@pytest.fixture
def notes(site: Site) -> Path:
    (site.home / "notes").unlink(missing_ok=True)
    return site.home / "notes"


def note(notes: Path, then: str = "true") -> str:
    return f'echo "$MOORING_HOOK $MOORING_RESULT" >> {notes}; {then}'


def lines(notes: Path) -> list[str]:
    return notes.read_text().splitlines() if notes.exists() else []


def kill(site: Site, ready: str) -> None:
    """Start a backup, and kill its process once a query of Mooring's rows finds something."""
    command = site.start("takebackup", "bank-1", "--foreground")
    wait_until(lambda: site.rows(ready))
    command.send_signal(signal.SIGKILL)
    assert command.wait() == -signal.SIGKILL


def number_in(file: Path) -> int:
    """Return the number in a file that a shell writes; 0 before it is whole."""
    text = file.read_text() if file.exists() else ""
    return int(text) if text.endswith("\n") else 0


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_in_a_hook(site: Site, notes: Path) -> None:
    held = f"sleep 600 & echo $! > {site.home}/child; echo $$ > {site.home}/hook; wait"
    hooks_file(
        site.home,
        shell_hook("hold", "before", note(notes, held))
        + shell_hook("release", "after", note(notes))
        + shell_hook("of-copies", "after-copy", note(notes)),
    )
    running = "SELECT 1 FROM backups_hookrun WHERE name = 'hold' AND started_at IS NOT NULL"
    command = site.start("takebackup", "bank-1", "--foreground")
    wait_until(lambda: site.rows(running) and number_in(site.home / "hook"))
    hook, child = (number_in(site.home / name) for name in ("hook", "child"))
    os.kill(command.pid, signal.SIGKILL)
    # The program of the hook ends with its worker, what that had started with the clean-up.
    wait_until(lambda: not is_alive(hook))
    assert lines(notes) == ["hold "]
    site.tick(LATE_TICK)
    assert not is_alive(child)
    # The copy was never reached.
    assert lines(notes) == ["hold ", "release lost"]
    rows = site.rows("SELECT name, open, problem FROM backups_hookrun ORDER BY position")
    assert rows == [
        ("hold", 0, "its worker ended while it ran"), ("release", 0, ""), ("of-copies", 0, ""),
    ]  # fmt: skip
    site.tick(LATE_TICK)
    assert lines(notes) == ["hold ", "release lost"]


def test_in_the_copy_that_a_statement_prepared(
    site: Site, mariadb: LiveServer, notes: Path
) -> None:
    mariadb.execute("SET GLOBAL innodb_io_capacity_max = 2000")
    mariadb.execute("GRANT SUPER ON *.* TO celery@'%'")
    sql = "SET GLOBAL innodb_io_capacity_max = {}"
    hooks_file(
        site.home,
        f'[slow]\nwhen = "before-copy"\nsql = "{sql.format(1500)}"\n'
        f'[fast]\nwhen = "after-copy"\nsql = "{sql.format(2000)}"\n'
        + shell_hook("last", "after", note(notes)),
    )
    kill(site, "SELECT 1 FROM backups_job WHERE status = 'running' AND stored_bytes > 0")
    capacity = "SELECT @@GLOBAL.innodb_io_capacity_max"
    assert mariadb.execute(capacity) == [(1500,)]
    site.tick(LATE_TICK)
    assert mariadb.execute(capacity) == [(2000,)]
    assert lines(notes) == ["last lost"]
