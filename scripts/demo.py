"""The whole story on this machine: a busy shop, backed up without blocking it, and proven.

    python -m scripts.demo [--once] [--mysql] [--s3] [--fleet]

Everything it does to the shop it does with Mooring's own commands, as an operator would.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from backups.exceptions import MooringError
from scripts import shop, summary
from scripts.console import SetupError, complain, heading, say
from scripts.demo_mysql import DemoMysql, find_demo_mysqld
from scripts.demo_shop import BACKUP_ACCOUNT, DemoShop, created_secret
from scripts.demo_store import (
    BucketRepository,
    DemoRepository,
    FolderRepository,
    find_demo_ceph,
)
from scripts.processes import DEFAULT_PORT, ROOT
from scripts.proof import Proof, prove
from scripts.supervisor import POLL_SECONDS, Supervisor
from scripts.up import on_stop_signals, prepare, running, site_url

ADMIN = "demo"
# Backups of earlier runs that are kept, so that the demo does not fill a disk.
KEPT_BACKUPS = 3
# What belongs to a real installation and must not reach the demo.
FOREIGN = ("DATABASE_URL", "REDIS_URL", "MOORING_SECRET_KEY", "MOORING_BACKUP_KEY")
NO_MYSQL = "no MySQL on this machine: ./mooring demo --mysql fetches one and backs it up too"


@dataclass(slots=True)
class Demo:
    """One run with one shop: what it works on, and what it has found out so far."""

    environment: Mapping[str, str]
    supervisor: Supervisor
    shop: DemoShop
    repository: DemoRepository
    label: str = ""
    # How far the writer had come when the backup began and when it was done.
    postings_before: int = 0
    postings_after: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    backup: dict[str, Any] = field(default_factory=dict)
    proof: Proof | None = None

    @property
    def home(self) -> Path:
        return Path(self.environment["MOORING_HOME"])

    def run(self) -> None:
        """Do the main job, from registering the instance to the proof."""
        self.supervisor.add(self.shop.writer())
        self._register()
        self._wait_for_earlier()
        self._job("doctor", "doctor", self.shop.instance)
        place = ("--repository", self.repository.name)
        self._job("archive", "archivebinlogs", self.shop.instance, *place)
        self.postings_before = self._postings()
        self._job("backup", "takebackup", self.shop.instance, "--kind", "full", *place)
        self.postings_after, self.label = self._postings(), self._labels()[0]
        self._job("verify", "verifybackup", self.label)
        self._job("restore test", "testrestore", self.label)
        self._restore_and_prove()
        self.backup = self._ask("showbackup", self.label)
        self._purge_old()

    def _register(self) -> None:
        """Make Mooring know repository and instance; the run before may have done it."""
        done = self.home / f"registered-{self.shop.instance}"
        if not self.repository.added:
            self._ask("addrepository", self.repository.name, *self.repository.words)
            self.repository.note_added()
        if not done.exists():
            address = ["--host", "127.0.0.1", "--port", str(self.shop.port)]
            login = ["--user", BACKUP_ACCOUNT.partition("@")[0]]
            login += ["--password-file", str(self.shop.password_file)]
            self._ask(
                "addinstance", self.shop.instance, *address, *login, *self.shop.instance_words
            )
            done.touch()

    def _wait_for_earlier(self) -> None:
        """Let the jobs end that a killed run left; it says how long that takes."""
        argv = [sys.executable, "-m", "scripts.earlier_jobs", self.shop.instance]
        if self._run_program(argv, sys.stderr):
            raise SetupError("an earlier run's job is in the way")

    def _restore_and_prove(self) -> None:
        target = self.home / "restored"
        shutil.rmtree(target, ignore_errors=True)
        self._job("restore", "restorebackup", self.label, "--to", str(target))
        heading(f"Proving the restored copy of {self.shop.title}")
        began = time.monotonic()
        password, expected = self.shop.root_password, self.shop.row_sums
        settings = self.shop.proof_settings
        self.proof = prove(target, password=password, expected=expected, settings=settings)
        self.seconds["proof"] = time.monotonic() - began
        shutil.rmtree(target)

    def _labels(self) -> list[str]:
        """Return the labels of the backups there are, the newest first."""
        return [
            str(one["label"]) for one in self._ask("listbackups", self.shop.instance)["backups"]
        ]

    def _purge_old(self) -> None:
        for label in self._labels()[KEPT_BACKUPS:]:
            self._ask("purgebackup", label, "--now", "--reason", "the demo keeps the newest")

    def _postings(self) -> int:
        with self.shop.connect() as connection:
            return shop.postings(connection)

    def _job(self, name: str, *words: str) -> None:
        """Run a command that takes its time, as a person would see it."""
        heading(f"$ ./mooring manage {' '.join(words)}")
        began = time.monotonic()
        if exit_code := self._run(words, sys.stderr):
            raise SetupError(f"{words[0]} ended with {exit_code}")
        self.seconds[name] = time.monotonic() - began

    def _ask(self, *words: str) -> dict[str, Any]:
        """Return what a command answers; Any, because each answers with its own object."""
        with tempfile.TemporaryFile("w+") as output:
            exit_code = self._run((*words, "--json"), output)
            output.seek(0)
            return _answer(words, exit_code, output.read())

    def _run(self, words: Sequence[str], output: IO[str]) -> int:
        return self._run_program([sys.executable, "manage.py", *words], output)

    def _run_program(self, argv: Sequence[str], output: IO[str]) -> int:
        with subprocess.Popen(argv, cwd=ROOT, env=dict(self.environment), stdout=output) as command:
            try:
                while command.poll() is None:
                    self.supervisor.tend()
                    time.sleep(POLL_SECONDS)
            except BaseException:
                command.terminate()
                raise
        return command.returncode


def _answer(words: tuple[str, ...], exit_code: int, output: str) -> dict[str, Any]:
    try:
        answer = dict(json.loads(output))
    except ValueError:
        answer = {"error": f"it answered {output[:200]!r}"}
    if exit_code:
        cause = answer.get("error") or output.strip()
        raise SetupError(f"{words[0]} ended with {exit_code}: {cause}", hint=answer.get("hint", ""))
    return answer


def demo_environment(folder: str) -> dict[str, str]:
    """Return the environment of a Mooring that shares nothing with a real one.

    ``folder`` is the name of its state folder where the environment names none.
    """
    environment = {name: text for name, text in os.environ.items() if name not in FOREIGN}
    home = Path(environment.get("MOORING_HOME") or ROOT / "var" / folder).resolve()
    environment["MOORING_HOME"] = str(home)
    if "MOORING_BIND" not in environment and "MOORING_PORT" not in environment:
        environment["MOORING_PORT"] = str(_free_port(DEFAULT_PORT))
    try:
        (home / "keys").mkdir(mode=0o700, parents=True, exist_ok=True)
        password = created_secret(home / "keys" / "admin.password").read_text(encoding="utf-8")
    except OSError as exc:
        raise SetupError(f"the state folder cannot be used: {exc}") from exc
    environment |= {"MOORING_ADMIN_USER": ADMIN, "MOORING_ADMIN_PASSWORD": password.strip()}
    return environment


def _free_port(first: int) -> int:
    """Return the first port from ``first`` on that nobody listens on."""
    for port in range(first, first + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    return first


def run(environment: Mapping[str, str], repository: DemoRepository, *, once: bool) -> bool:
    """Run the demo; return whether everything that was claimed was proven."""
    home = Path(environment["MOORING_HOME"])
    shops = [DemoShop(home)]
    if mysqld := environment.get("MOORING_MYSQLD"):
        shops.append(DemoMysql(home, mysqld))
    else:
        say(NO_MYSQL)
    stories: list[tuple[Demo, float]] = []
    with ExitStack() as stack:
        supervisor = stack.enter_context(running(environment, repository.running()))
        on_stop_signals(lambda: _interrupt(supervisor))
        for server in shops:
            began = time.monotonic()
            stack.enter_context(server.running())
            demo = Demo(environment, supervisor, server, repository)
            demo.run()
            stories.append((demo, time.monotonic() - began))
        proven = all([_show(demo, seconds) for demo, seconds in stories])
        if not once:
            summary.show_dashboard(
                site_url(environment), ADMIN, environment["MOORING_ADMIN_PASSWORD"]
            )
            supervisor.run()
    return proven


def _repository(environment: Mapping[str, str], *, s3: bool) -> DemoRepository:
    home = Path(environment["MOORING_HOME"])
    return BucketRepository(home, find_demo_ceph(environment)) if s3 else FolderRepository(home)


def _show(demo: Demo, total_seconds: float) -> bool:
    """Print what one shop's run found; return whether every line of it is good."""
    assert demo.proof is not None
    return summary.show(
        demo.proof,
        label=demo.label,
        server=demo.shop.title,
        place=demo.repository.place,
        backup=demo.backup,
        seconds=demo.seconds,
        postings=(demo.postings_before, demo.postings_after),
        total_seconds=total_seconds,
    )


def _seed_fleet(environment: Mapping[str, str]) -> None:
    argv = [sys.executable, "-m", "scripts.demo_fleet"]
    if subprocess.run(argv, cwd=ROOT, env=dict(environment), check=False).returncode:
        raise SetupError("the sample fleet could not be written")


def _interrupt(supervisor: Supervisor) -> None:
    """Leave whatever is going on; a second time, stop waiting for what is still running."""
    first = not supervisor.stop_requested
    supervisor.request_stop()
    if first:
        raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(prog="./mooring demo", description="Back up a busy shop.")
    parser.add_argument("--once", action="store_true", help="stop after the proof")
    parser.add_argument(
        "--mysql", action="store_true", help="fetch a MySQL where there is none, and use it too"
    )
    parser.add_argument(
        "--s3", action="store_true", help="store in a bucket of a private Ceph; fetch one if needed"
    )
    parser.add_argument(
        "--fleet", action="store_true", help="add sixty sample instances with a year of history"
    )
    asked = parser.parse_args()
    try:
        environment = demo_environment("demo-s3" if asked.s3 else "demo")
        environment["MOORING_MYSQLD"] = find_demo_mysqld(fetch=asked.mysql)
        repository = _repository(environment, s3=asked.s3)
        environment |= repository.environment(environment)
        prepare(environment, "--admin")
        if asked.fleet:
            _seed_fleet(environment)
        proven = run(environment, repository, once=asked.once)
    except (SetupError, MooringError) as exc:
        complain(str(exc), exc.hint)
        return 1
    except KeyboardInterrupt:
        say("stopped")
        # Ctrl-C is how a demo that stays open ends; one that should end by itself was cut off.
        return 1 if asked.once else 0
    return 0 if proven else 1


if __name__ == "__main__":
    sys.exit(main())
