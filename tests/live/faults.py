"""What must hold after any fault: a clear error, nothing left over, and the next run works.

A fault is a few lines of a test: what breaks, when, and how the command that runs into it has
to end. The commands are those a user has; the servers, disks and programs are real.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.utils.timezone import now

from backups.executor.operations import PLANS
from backups.instances.grants import NEEDED
from backups.models import Backup, Instance, Job, JobEvent, JobLogLine, JobStage, Repository
from backups.states import ACTIVE_JOB_STATUSES, Operation
from tests.backups.conftest import make_repository
from tests.backups.stage_lists import set_stages
from tests.backups.taking import stored_files
from tests.commands import Ended, run_command
from tests.live.server import LiveServer
from tests.settings import TEST_HOME

PASSWORD = "f4ult-me-n0where"
USER = "faulty"
SHOP = (
    "CREATE DATABASE IF NOT EXISTS shop",
    "USE shop",
    "CREATE TABLE IF NOT EXISTS orders (id INT PRIMARY KEY, note VARCHAR(200)) ENGINE=InnoDB",
    "REPLACE INTO orders SELECT seq, REPEAT(MD5(seq), 6) FROM seq_1_to_5000",
    "CREATE TABLE IF NOT EXISTS visits (id INT PRIMARY KEY) ENGINE=MyISAM",
    "REPLACE INTO visits SELECT seq FROM seq_1_to_1000",
)
ENGINES = {"mariadb-backup", "mbstream", "mariadbd", "ssh"}
FAILED, BAD_INPUT, REFUSED = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command must end: its exit code, and patterns of its error and its hint."""

    exit_code: int
    error: str
    hint: str = r"\w.*\."


@dataclass(frozen=True, slots=True)
class Place:
    """A repository, a folder, and an instance on a server: what faults happen to."""

    server: LiveServer
    main: Repository
    folder: Path

    @property
    def packs(self) -> list[Path]:
        return sorted(Path(self.main.path).rglob("*.pack"))

    @property
    def manifests(self) -> list[Path]:
        return sorted(Path(self.main.path).rglob("manifest.json.zst"))

    def run(self, command: str, *words: str) -> Ended:
        return run_command(command, *words, "--foreground", "--json")

    def take(self) -> Ended:
        newest = Backup.objects.order_by("-started_at").first()
        if newest is not None:
            # A label is made of the second it began in.
            time.sleep(max(0.0, 1 - (now() - newest.started_at).total_seconds()))
        return self.run("takebackup", "orders-1")

    def label(self) -> str:
        """Take a backup that must succeed; return its label."""
        ended = self.take()
        assert ended.exit_code == 0, (ended.json()["error"], ended.json()["hint"])
        return str(ended.json()["label"])

    def restore(self, label: str, target: Path | None = None, *words: str) -> Ended:
        to = str(target or self.folder / "restored")
        return self.run("restorebackup", label, "--to", to, *words)


def make_place(server: LiveServer, folder: Path, settings: Any, repository: str = "main") -> Place:
    """Make a shop on the server, a user for backups, and a repository with a key of its own."""
    settings.BACKUP_KEY_TEXT = ""
    settings.BACKUP_KEY_FILE = folder / "backup.key"
    settings.SCRATCH_FOLDER = folder / "scratch"
    assert run_command("createbackupkey").exit_code == 0
    server.execute(*SHOP)
    add_instance(server)
    return Place(server, make_repository("main", folder / repository), folder)


def add_instance(server: LiveServer, *words: str, name: str = "orders-1") -> Instance:
    """Make a user with what a backup needs and nothing more, and an instance that uses it."""
    server.execute(
        f"CREATE OR REPLACE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
        f"GRANT {', '.join(NEEDED)} ON *.* TO {USER}@'127.0.0.1'",
    )
    file = Path(TEST_HOME) / "given-password"
    file.write_text(PASSWORD)
    try:
        account = ["--port", str(server.port), "--user", USER, "--password-file", str(file)]
        ended = run_command("addinstance", name, *account, *words)
    finally:
        file.unlink()
    assert ended.exit_code == 0, ended.stderr
    return Instance.objects.get(name=name)


def assert_ending(ended: Ended, ending: Ending) -> None:
    """The command, and every row it left, says what failed, on what and what to do."""
    fields = ended.json()
    assert ended.exit_code == ending.exit_code, (fields["error"], fields["hint"])
    assert re.search(ending.error, fields["error"]), fields["error"]
    assert re.search(ending.hint, fields["hint"]), (fields["error"], fields["hint"])
    assert_no_traceback(ended)


def assert_no_traceback(*ended: Ended) -> None:
    said = [text for command in ended for text in (command.stdout, command.stderr)]
    for model, column in (
        (Job, "error"),
        (Job, "hint"),
        (JobLogLine, "text"),
        (JobEvent, "reason"),
        (JobStage, "detail"),
    ):
        said += model.objects.values_list(column, flat=True)
    for text in said:
        assert "Traceback" not in text and "unexpected " not in text, text
        assert PASSWORD not in text


def assert_nothing_left(place: Place, *, backups: int = 0) -> None:
    """No process, no lock, no partial byte, and no row that says otherwise."""
    assert not Job.objects.filter(status__in=ACTIVE_JOB_STATUSES).exists()
    assert not Job.objects.filter(leftovers=True).exists()
    assert not Job.objects.exclude(exclusive_key=None).exists()
    assert engines() == []
    names = stored_files(place.main)
    assert [name for name in names if name.endswith(".part")] == []
    assert len(place.manifests) == backups, names
    if not backups:
        assert names == ["mooring.json"]
    assert_unlocked(place.server)


def assert_unlocked(server: LiveServer) -> None:
    """Nobody is logged in for a backup, and nobody keeps DDL out."""
    sessions = f"SELECT * FROM information_schema.processlist WHERE user = '{USER}'"
    assert server.execute(sessions) == []
    server.execute("SET STATEMENT lock_wait_timeout=2 FOR ALTER TABLE shop.visits COMMENT='x'")


def engines() -> list[str]:
    """The programs of ours that are still running, but for the servers the tests started."""
    mine = psutil.Process().children(recursive=True)
    found = []
    for process in mine:
        try:
            words = process.cmdline()
            name, status = process.name(), process.status()
        except psutil.NoSuchProcess:
            continue
        # The session of a repository by SFTP stays for the next use.
        kept = "-s" in words and words[-1] == "sftp"
        if name in ENGINES - {"mariadbd"} and status != psutil.STATUS_ZOMBIE and not kept:
            found.append(" ".join(words))
    return found


class _Before:
    """A stage that something happens before. Any: work is of each operation's own type."""

    def __init__(self, stage: Any, act: Callable[[], object]) -> None:
        self._stage, self._act = stage, act

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage, name)

    def run(self, run: Any, work: Any) -> str:
        self._act()
        return str(self._stage.run(run, work))


def before(
    patch: pytest.MonkeyPatch, operation: Operation, stage: str, act: Callable[[], object]
) -> None:
    """Have ``act`` happen when a job comes to a stage."""
    stages = PLANS[operation].known_stages
    assert stage in {each.name for each in stages}
    set_stages(
        operation, [_Before(each, act) if each.name == stage else each for each in stages], patch
    )


class Doubles:
    """Programs that stand before the real ones in PATH, and spoil what those do."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir()
        patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def write(self, name: str, script: str) -> None:
        """``$real`` is the program that is stood in for."""
        path = f"PATH=${{PATH#{self.folder}:}}"
        file = self.folder / name
        file.write_text(f"#!/bin/bash\n{path}\nreal=$(command -v {name})\n{script}\n")
        file.chmod(0o755)


@contextmanager
def small_disk(folder: Path, size: str = "400m") -> Iterator[Path]:
    """Mount a filesystem of its own, which can be full, read-only or gone."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield folder
    finally:
        # Its mark: a test may have unmounted it, or mounted another one above.
        while os.path.ismount(folder):
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, leave: int = 0) -> Path:
    """Take what room there is, but for some bytes; return the file that takes it."""
    file = folder / "filler"
    with file.open("wb") as hole:
        taken, step = 0, 64 << 20
        # In steps: somebody else may be writing, and what was free a moment ago is not.
        while (free := _free(folder)) > leave and step:
            size = min(step, free - leave)
            try:
                os.posix_fallocate(hole.fileno(), taken, size)
                taken += size
            except OSError as exc:
                assert exc.errno == errno.ENOSPC
                step //= 2
    return file


def _free(folder: Path) -> int:
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize
