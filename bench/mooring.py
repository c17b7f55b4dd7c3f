"""Mooring as a person at a terminal runs it: its own commands, in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from backups.engines.mariadb_backup.command import TOOL
from bench.database import Database
from bench.measure import MIB, BenchError, Watched, run_watched, tree_bytes
from scripts.state_folder import prepare_folder

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = "bench"
# What would make this another Mooring than the one that is measured.
OTHERS = ("MOORING_", "DATABASE_URL", "REDIS_URL", "DJANGO_")


@dataclass(frozen=True, slots=True)
class Finished:
    """A job that was done, and the process that did it."""

    label: str
    # From claim to outcome, as the job's own row says: without the start of the process.
    job_s: float
    stages_s: Mapping[str, float]
    lock_s: float
    stored_bytes: int
    process: Watched

    def figures(self) -> dict[str, float]:
        """Return what every job has."""
        return {"job_s": self.job_s, "rss_mib": self.process.peak_rss_bytes / MIB}

    def copy_figures(self) -> dict[str, float]:
        """Return what a job that took a backup has beside that."""
        engine = self.process.children_peak_rss_bytes.get(TOOL, 0)
        return {
            "copy_s": self.stages_s["copy"],
            "lock_s": self.lock_s,
            "stored_bytes": self.stored_bytes,
            "engine_rss_mib": engine / MIB,
        }


@dataclass(frozen=True, slots=True)
class SeenRow:
    """The first row of a table in a backup, and the process that showed it."""

    # From the beginning of the command's own work to the row.
    row_s: float
    read_bytes: int
    process: Watched


class Mooring:
    """An installation in a folder, made for each run."""

    # What Python runs.
    program: tuple[str, ...] = ("manage.py",)

    def __init__(self, folder: Path, logs: Path, *, threads: int, mysqld: str = "") -> None:
        self._home = folder / "home"
        self._repository = folder / "repository"
        self._log = logs / "mooring.log"
        kept = {name: text for name, text in os.environ.items() if not name.startswith(OTHERS)}
        self._environment = {
            **kept,
            "MOORING_HOME": str(self._home),
            "MOORING_COPY_THREADS": str(threads),
            "MOORING_MYSQLD": mysqld,
            # An installation compiles its modules once, whatever the environment says here.
            "PYTHONDONTWRITEBYTECODE": "",
        }

    def set_up(self) -> None:
        self.remove()
        prepare_folder(self._home)
        self._run("migrate", "--verbosity=0")
        self._run("createbackupkey", "--json")
        self._run("addrepository", REPOSITORY, "--path", str(self._repository), "--json")

    def remove(self) -> None:
        for folder in (self._home, self._repository):
            shutil.rmtree(folder, ignore_errors=True)

    def add(self, database: Database) -> None:
        """Register a server; it must be running."""
        password = self._home / "keys" / f"{database.name}.password"
        with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(database.password)
        words = [*database.address_words, f"--password-file={password}"]
        self._run("addinstance", database.name, *words, "--json")

    def take(
        self,
        database: Database,
        *,
        threads: int | None = None,
        kind: str = "full",
        variables: Mapping[str, str] | None = None,
    ) -> Finished:
        """Take a backup; ``variables`` are further settings of this Mooring."""
        before = tree_bytes(self._repository)
        words = ("takebackup", database.name, "--kind", kind, "--foreground", "--json")
        done = self._run(*words, threads=threads, variables=variables)
        return _finished(done, tree_bytes(self._repository) - before)

    def restore(self, label: str, target: Path, *, raw: bool) -> Finished:
        arguments = ["--to", str(target), *(["--raw"] if raw else [])]
        done = self._run("restorebackup", label, *arguments, "--foreground", "--json")
        return _finished(done, 0)

    def plan_table(
        self, label: str, table: str, new_name: str, database: Database
    ) -> Mapping[str, float]:
        """Return how much is read and extracted for one table."""
        words = ("--table", table, "--as", new_name, "--to-instance", database.name)
        done = self._run("restoretable", label, *words, "--plan", "--json")
        # Any: JSON.
        answer: dict[str, Any] = json.loads(done.output)
        names = ("read_bytes", "stored_bytes", "extract_bytes", "system_bytes")
        return {name: float(answer[name]) for name in names}

    def restore_table(self, label: str, table: str, new_name: str, database: Database) -> Finished:
        words = ("--table", table, "--as", new_name, "--to-instance", database.name)
        done = self._run("restoretable", label, *words, "--foreground", "--json")
        return _finished(done, 0)

    def consolidate(self, label: str) -> Finished:
        """Make a full backup of a chain; its label is that of the new one."""
        before = tree_bytes(self._repository)
        done = self._run("consolidatebackup", label, "--foreground", "--json")
        return _finished(done, tree_bytes(self._repository) - before)

    def first_row(self, label: str, table: str) -> SeenRow:
        """Show one row of a table in a backup; it must have one."""
        done = self._run("browsebackup", label, table, "--rows", "--limit", "1", "--json")
        # Any: what a command prints as JSON.
        answer: dict[str, Any] = json.loads(done.output)
        if len(answer["rows"]) != 1:
            raise BenchError(f"{table} in {label} has no row")
        return SeenRow(answer["seconds"], answer["read_bytes"], done)

    def packs(self, label: str) -> list[Path]:
        """Return the packs of a backup, in their order."""
        return sorted(self._repository.glob(f"instances/*/backups/{label}/packs/*.pack"))

    def purge(self, label: str) -> None:
        at_once = ("--now", "--reason", "measured")
        self._run("purgebackup", label, "--force", *at_once, "--foreground", "--json")

    def lsn(self, label: str) -> int:
        """Return the LSN that a backup reaches to."""
        with closing(sqlite3.connect(self._home / "mooring.sqlite3")) as rows:
            sql = "SELECT to_lsn FROM backups_backup WHERE label = ?"
            return int(rows.execute(sql, (label,)).fetchone()[0])

    def fact(self, label: str, name: str) -> str:
        """Return what the engine noted of a backup that is in the catalog."""
        with closing(sqlite3.connect(self._home / "mooring.sqlite3")) as rows:
            sql = "SELECT facts FROM backups_backup WHERE label = ?"
            (facts,) = rows.execute(sql, (label,)).fetchone()
        return str(json.loads(facts)[name])

    def pace(self, label: str) -> Mapping[str, Any]:
        """Return what a backup cost its writers, and how it was slowed for them."""
        with closing(sqlite3.connect(self._home / "mooring.sqlite3")) as rows:
            sql = "SELECT pace FROM backups_backup WHERE label = ?"
            (facts,) = rows.execute(sql, (label,)).fetchone()
        # Any: JSON.
        found: Mapping[str, Any] = json.loads(facts)
        return found

    def state_bytes(self) -> int:
        """Return what lies in the state folder, its database and the backups left out."""
        return tree_bytes(self._home) - tree_bytes(self._home, "mooring.sqlite3*")

    def _run(
        self,
        *words: str,
        threads: int | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Watched:
        argv = [sys.executable, *self.program, *words]
        more = {"MOORING_COPY_THREADS": str(threads)} if threads else {}
        environment = {**self._environment, **more, **(variables or {})}
        return run_watched(argv, environment=environment, folder=ROOT, log=self._log)


def _finished(done: Watched, stored_bytes: int) -> Finished:
    # Any: what a command prints as JSON.
    answer: dict[str, Any] = json.loads(done.output)
    started, ended = (datetime.fromisoformat(answer[name]) for name in ("started_at", "ended_at"))
    return Finished(
        label=answer["label"],
        job_s=(ended - started).total_seconds(),
        stages_s={stage["name"]: stage["run_time"] or 0.0 for stage in answer["stages"]},
        lock_s=answer["lock_time"] or 0.0,
        stored_bytes=stored_bytes,
        process=done,
    )
