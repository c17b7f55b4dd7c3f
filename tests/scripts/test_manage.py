"""One process per command: what is out of date is seen to in the command's own."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from scripts.processes import ROOT
from scripts.state_folder import prepare_folder


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


def test_a_folder_that_is_none_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    done = manage(tmp_path / "home", "listbackups")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no state folder: MOORING_HOME names" in done.stderr
    assert "HINT: Start Mooring with ./mooring up" in done.stderr
    assert not (tmp_path / "home").exists()


def test_a_new_folder_is_brought_up_to_date_once(tmp_path: Path) -> None:
    prepare_folder(tmp_path)
    done = manage(tmp_path, "listbackups")
    assert (done.returncode, done.stdout) == (0, "no backups yet: take one with takebackup\n")
    assert "migrations): done" in done.stderr
    assert (tmp_path / "keys" / "backup.key").exists()
    # And then there is nothing left to do.
    assert manage(tmp_path, "listbackups").stderr == ""


def test_a_job_in_the_foreground_leaves_the_processor_to_the_servers(tmp_path: Path) -> None:
    prepare_folder(tmp_path)
    run = "import atexit, os, runpy;"
    run += "atexit.register(lambda: print(os.nice(0), os.sched_getscheduler(0)));"
    run += "runpy.run_module('scripts.manage', run_name='__main__')"
    own = os.nice(0)
    normal, batch = os.sched_getscheduler(0), os.SCHED_BATCH
    for words, low in (([], (own, normal)), (["--foreground"], (max(own, 10), batch))):
        done = subprocess.run(
            [sys.executable, "-c", run, "verifybackup", "none", *words],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "MOORING_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == "{} {}\n".format(*low), done.stderr


def test_no_new_backup_key_hides_that_the_one_of_stored_backups_is_lost(tmp_path: Path) -> None:
    prepare_folder(tmp_path)
    assert manage(tmp_path, "listbackups").returncode == 0
    key = tmp_path / "keys" / "backup.key"
    with closing(sqlite3.connect(tmp_path / "mooring.sqlite3")) as rows, rows:
        # One stored, encrypted copy is all that counts.
        rows.execute("PRAGMA foreign_keys=OFF")
        rows.execute("PRAGMA ignore_check_constraints=ON")
        insert_row(rows, "backups_backupcopy", status="stored", key_id="k1")
    key.unlink()
    done = manage(tmp_path, "listschedules")
    assert "backup.key is missing, and stored backups need it" in done.stderr
    assert not key.exists()
    # The explicit command makes one all the same.
    assert manage(tmp_path, "createbackupkey").returncode == 0
    assert key.exists()


def insert_row(rows: sqlite3.Connection, table: str, **values: str) -> None:
    """Insert a row whose other columns are empty, of whatever type."""
    columns = rows.execute(f"PRAGMA table_info({table})").fetchall()
    given = {
        name: values.get(name, 1 if "int" in kind.lower() else "") for _, name, kind, *_ in columns
    }
    names, marks = ", ".join(given), ", ".join("?" * len(given))
    insert = f"INSERT INTO {table} ({names}) VALUES ({marks})"
    rows.execute(insert, list(given.values()))


def test_a_database_that_is_behind_is_brought_up_to_date(tmp_path: Path) -> None:
    prepare_folder(tmp_path)
    assert manage(tmp_path, "migrate", "alerts", "zero").returncode == 0
    assert "bringing the database up to date" in manage(tmp_path, "listbackups").stderr


def test_a_database_that_does_not_answer_is_an_error_with_a_hint(tmp_path: Path) -> None:
    prepare_folder(tmp_path)
    (tmp_path / "mooring.sqlite3").mkdir()
    done = manage(tmp_path, "listbackups")
    assert done.returncode == 1
    assert "the database does not answer" in done.stderr
    assert "HINT: Check DATABASE_URL" in done.stderr
