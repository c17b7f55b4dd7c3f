"""A repository dies while a real server is backed up; its copies are made later."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.models import BackupCopy, WantedCopy
from backups.programs.private_server import PrivateServer, ServerOptions
from tests.backups.conftest import make_repository
from tests.commands import Ended, run_command
from tests.live.faults import Place
from tests.live.server import LiveServer

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]


def ran(*words: str, exit_code: int = 0) -> Ended:
    ended = run_command(*words, "--foreground", "--json")
    assert ended.exit_code == exit_code, (ended.stdout, ended.stderr)
    return ended


def vanish_once_written(folder: Path, away: Path, over: threading.Event) -> None:
    """Take a repository away as soon as a pack of it is being written."""
    while not over.wait(0.005):
        if list(folder.rglob("*.part")):
            folder.rename(away)
            return


@contextmanager
def vanishing(folder: Path, away: Path) -> Iterator[None]:
    """Inside, a repository is taken away once it is written to; afterwards it is back."""
    over = threading.Event()
    thief = threading.Thread(target=vanish_once_written, args=(folder, away, over))
    thief.start()
    try:
        yield
    finally:
        over.set()
        thief.join()
    if folder.exists():
        # Nothing but folders that a writer has made below the mount point.
        assert not list(folder.rglob("*.pack"))
        folder.rename(away.with_name("remains"))
    away.rename(folder)


def count_orders(folder: Path) -> object:
    with (
        PrivateServer(folder, ServerOptions()) as server,
        server.connect() as root,
        root.cursor() as cursor,
    ):
        cursor.execute("SELECT COUNT(*) FROM copied.orders")
        return cursor.fetchone()


def test_one_of_two_repositories_dies_and_gets_the_chain_later(
    mariadb: LiveServer, place: Place, settings: Settings, tmp_path: Path
) -> None:
    mariadb.execute(
        "CREATE OR REPLACE DATABASE copied",
        "USE copied",
        "CREATE TABLE copied.orders (id INT PRIMARY KEY, note VARCHAR(200)) ENGINE=InnoDB",
        "INSERT INTO copied.orders SELECT seq, REPEAT(MD5(seq), 6) FROM seq_1_to_5000",
    )
    offsite = make_repository("offsite", tmp_path / "offsite")
    both = ("--repository", "main", "--repository", "offsite")
    settings.THROTTLE_BYTES_PER_S = 32 << 20
    with vanishing(Path(offsite.path), tmp_path / "away"):
        full = ran("takebackup", "orders-1", *both, exit_code=4).json()
    assert full["problems"][0].startswith("copy in offsite failed: "), full

    more = "INSERT INTO copied.orders SELECT seq, 'new' FROM seq_5001_to_6000"
    mariadb.execute("USE copied", more)
    link = ran("takebackup", "orders-1", "--kind", "incremental", *both, exit_code=4).json()
    assert (link["kind"], len(link["problems"])) == ("incremental", 1)
    assert WantedCopy.objects.count() == 2

    # What was left there is removed first; the chain follows, the server is not asked.
    ran("copybackup", str(link["label"]), "--to", "offsite")
    assert not WantedCopy.objects.exists()
    assert BackupCopy.objects.filter(repository=offsite).count() == 2
    target = tmp_path / "restored"
    ran("restorebackup", str(link["label"]), "--to", str(target), "--repository", "offsite")
    assert count_orders(target) == (6000,)
