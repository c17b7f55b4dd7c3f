"""Which user works on restored files, and how are raw ones prepared by hand?"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import threading
from pathlib import Path
from typing import Self

import psutil

from backups.engines.mariadb_backup import prepare_argv
from backups.engines.mariadb_backup.restored import PREPARE_FILE, commands_before_prepare
from backups.runners.local import LocalRunner

_ON_FILES = ("--target-dir=", "--datadir=")


class Users(threading.Thread):
    """Notes as whom programs work on restored files meanwhile."""

    def __init__(self, *names: str) -> None:
        super().__init__(daemon=True)
        self._names, self._over = names, threading.Event()
        self._known = set(psutil.Process().children(recursive=True))
        self.seen: set[int] = set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(0.02):
            for process in set(psutil.Process().children(recursive=True)) - self._known:
                with contextlib.suppress(psutil.Error):
                    works = any(word.startswith(_ON_FILES) for word in process.cmdline())
                    if works and process.name() in self._names:
                        self.seen.add(process.uids().effective)


def prepare_by_hand(folder: Path) -> None:
    """Type what a raw restore and the pages print."""
    for command in commands_before_prepare(shlex.quote(str(folder))):
        subprocess.run(["sh", "-c", command], cwd=folder.parent, check=True)
    argv = prepare_argv(folder, settings=folder.parent / PREPARE_FILE)
    done = LocalRunner().run(argv, timeout_seconds=120)
    assert done.exit_code == 0, done.stderr
