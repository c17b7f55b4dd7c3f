"""Folders of private servers: those of processes that are gone go, all others stay."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.programs.run_folder import NEW_SECONDS, PREFIX, RunFolder, remove_unheld

MADE_AND_KILLED = """
import os, signal
from backups.programs.run_folder import RunFolder
print(RunFolder().path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path


def aged(folder: Path) -> Path:
    before = folder.stat().st_mtime - 2 * NEW_SECONDS
    os.utime(folder, (before, before))
    return folder


def test_that_of_a_killed_process_is_removed(temporary: Path) -> None:
    argv = [sys.executable, "-c", MADE_AND_KILLED]
    environment = os.environ | {"TMPDIR": str(temporary)}
    ended = subprocess.run(argv, stdout=subprocess.PIPE, env=environment, check=False)
    folder = Path(ended.stdout.decode().strip())
    (folder / "replay.sql").write_text("CREATE USER …")
    # Another process may have made it just now.
    assert remove_unheld() == 0
    aged(folder)
    assert remove_unheld() == 1
    assert list(temporary.iterdir()) == []


def test_one_that_is_held_stays_until_it_is_removed() -> None:
    folder = RunFolder()
    aged(folder.path)
    assert remove_unheld() == 0
    folder.remove()
    assert not folder.path.exists()
    # As for a second start of a server.
    folder.make()
    aged(folder.path)
    assert remove_unheld() == 0
    folder.remove()


def test_what_only_looks_like_one_stays(temporary: Path) -> None:
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (temporary / f"{PREFIX}link").symlink_to(elsewhere)
    (temporary / f"{PREFIX}file").touch()
    aged(elsewhere)
    assert remove_unheld() == 0
    assert len(list(temporary.iterdir())) == 3
