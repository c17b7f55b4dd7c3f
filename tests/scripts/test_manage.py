"""One process per command: what is out of date is seen to in the command's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from scripts.processes import ROOT


def manage(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # Nothing of the settings the tests themselves run with.
    environment = {"PATH": os.environ["PATH"], "MOORING_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "scripts.manage", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_folder_that_is_empty_is_made_ready_first(tmp_path: Path) -> None:
    done = manage(tmp_path / "home", "listbackups")
    assert (done.returncode, done.stdout) == (0, "no backups yet: take one with takebackup\n")
    assert "migrations): done" in done.stderr
    assert (tmp_path / "home" / "keys" / "backup.key").exists()
    # And then there is nothing left to do.
    assert manage(tmp_path / "home", "listbackups").stderr == ""


def test_a_database_that_is_behind_is_brought_up_to_date(tmp_path: Path) -> None:
    assert manage(tmp_path, "migrate", "alerts", "zero").returncode == 0
    assert "bringing the database up to date" in manage(tmp_path, "listbackups").stderr


def test_a_database_that_does_not_answer_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "mooring.sqlite3").mkdir()
    done = manage(tmp_path, "listbackups")
    assert done.returncode == 1
    assert "the database does not answer" in done.stderr
    assert "HINT: Check DATABASE_URL" in done.stderr
