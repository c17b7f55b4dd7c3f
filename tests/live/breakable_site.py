"""A whole Mooring in which everything it leans on can be taken away, and given back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psutil
import psycopg

from backups.instances.grants import NEEDED
from backups.programs.private_server import PrivateServer, ServerOptions
from scripts.private_postgres import private_postgres, start_server
from tests.live import sshd
from tests.live.faults import SHOP, fill, small_disk
from tests.live.mooring_site import ROOT, redis, wait_until
from tests.live.server import free_port, new_mariadb

PASSWORD = "m4trix-password"
USER = "matrix"
LEASE_SECONDS = 3
# What may be at work below a worker, besides itself.
ENGINES = {"mariadb-backup", "mariadbd", "mysqld", "ssh", "sync", "find"}


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


class BreakableSite:
    """Use ``breakable_site``. Any, below: SQL's values."""

    def __init__(self, home: Path, url: str, server: PrivateServer, host: Any) -> None:
        self.home, self.url, self.server, self.host = home, url, server, host
        self.disk = home / "disk"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "MOORING_HOME": str(home),
            "DATABASE_URL": url,
            "MOORING_LEASE_SECONDS": str(LEASE_SECONDS),
            "MOORING_SCRATCH": str(self.disk / "scratch"),
            "MOORING_COPY_THREADS": "1",
            "MOORING_ADMIN_USER": "admin",
            "MOORING_ADMIN_PASSWORD": "a long enough one",
            "PYTHONPATH": str(ROOT),
        }
        self._commands: subprocess.Popen[bytes] | None = None
        self._count = 0
        self.children: dict[str, subprocess.Popen[bytes]] = {}

    # What a user does

    def start(self, *words: str) -> int:
        """Start a command; return the number it is known by."""
        self._count += 1
        assert self._commands is not None
        assert self._commands.stdin is not None
        self._commands.stdin.write(json.dumps([self._count, *words]).encode() + b"\n")
        self._commands.stdin.flush()
        return self._count

    def said(self, number: int, seconds: float = 60) -> Said:
        """Wait for a command and return what it said."""
        said = self.home / "said" / str(number)
        end = said.with_suffix(".end")
        wait_until(lambda: end.exists() and end.read_text(), seconds)
        texts = [Path(f"{said}{suffix}").read_text() for suffix in (".out", ".err")]
        return Said(int(end.read_text()), *texts)

    def run(self, *words: str) -> Said:
        return self.said(self.start(*words))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as database:
            return list(database.execute(sql.encode()))

    def tick(self) -> None:
        assert self.run("tick").code == 0

    # What it leans on

    def spawn(self, name: str, argv: list[str]) -> None:
        self.children[name] = subprocess.Popen(
            argv,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=(self.home / f"{name}.log").open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def start_worker(self) -> None:
        words = ["worker", "--concurrency", "2", "--queues", "copy,transfer,control"]
        words += ["--loglevel", "INFO", "--without-gossip", "--without-mingle"]
        self.spawn("worker", [sys.executable, "-m", "tests.live.breakpoints", *words])

    def start_commands(self) -> None:
        self.spawn("commands", [sys.executable, "-m", "tests.live.breakpoints", "commands"])
        self._commands = self.children["commands"]

    def start_broker(self) -> None:
        socket = self.home / "run" / "redis.sock"
        socket.unlink(missing_ok=True)
        self.spawn("redis", redis(self.home))
        wait_until(socket.exists)

    def kill_broker(self) -> None:
        self.children["redis"].kill()
        self.children["redis"].wait()

    def stop_database(self) -> None:
        # As its service does. QUIT would lose what this hasty one said it had written.
        for process in psutil.process_iter(["cmdline"]):
            if f"{self._database}/data" in (process.info["cmdline"] or []):
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGINT)
                    process.wait(10)

    def start_database(self) -> None:
        self.children["postgres"] = start_server(self._database)

    @property
    def _database(self) -> str:
        return unquote(self.url.split("@")[1].partition("/")[0])

    def kill_server(self) -> None:
        assert self.server.pid is not None
        os.kill(self.server.pid, signal.SIGKILL)

    def start_sshd(self) -> None:
        self.children["sshd"] = sshd._start(self.home / "sshd", self.host.port)
        sshd._wait_for_port(self.host.port)

    def cut_ssh(self) -> None:
        listener = psutil.Process(self.children["sshd"].pid)
        # Sessions have left its group: what it started goes as well, but not what those started.
        for process in [*listener.children(recursive=True), listener]:
            with suppress(psutil.NoSuchProcess):
                # Since OpenSSH 9.8 a session is a program of its own, sshd-session.
                if process.name().startswith("sshd"):
                    process.kill()
        self.children["sshd"].wait()

    def fill_disk(self) -> None:
        fill(self.disk)

    def free_disk(self) -> None:
        (self.disk / "filler").unlink(missing_ok=True)

    def take_stores(self) -> Callable[[], None]:
        """Have nothing at the path of any repository; return what puts them back."""
        for store in self._stores():
            if store.exists():
                store.rename(self._apart(store))
        return self.return_stores

    def return_stores(self) -> None:
        for store in self._stores():
            if self._apart(store).exists():
                assert not store.exists(), "something was written where no repository was"
                self._apart(store).rename(store)

    def _stores(self) -> list[Path]:
        return [self.disk / name for name in ("repository", "second")]

    def _apart(self, store: Path) -> Path:
        return store.with_name(f"{store.name} apart")

    def recover(self) -> None:
        """Give back all that was taken away, and end what is at work."""
        (self.home / "go").touch()
        engines = self.engines()
        with suppress(ProcessLookupError):
            os.killpg(self.children["worker"].pid, signal.SIGKILL)
        self.children["worker"].wait()
        self.free_disk()
        self.return_stores()
        for name, start in (("redis", self.start_broker), ("sshd", self.start_sshd)):
            if self.children[name].poll() is not None:
                start()
        if not (Path(self._database) / "data" / "postmaster.pid").exists():
            self.start_database()
        if self.server.pid is None or not psutil.pid_exists(self.server.pid):
            self.server.start()
        for process in engines:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(LEASE_SECONDS + 0.2)
        self.tick()
        for name in ("go", "break", "reached"):
            (self.home / name).unlink(missing_ok=True)
        shutil.rmtree(self.disk / "target", ignore_errors=True)
        self.start_worker()

    # What is at work

    def job_worker(self, job: int) -> int:
        ((worker,),) = self.rows(f"SELECT worker FROM backups_job WHERE id = {job}")
        return int(worker.rpartition(":")[2])

    def engines(self) -> list[psutil.Process]:
        """Everything a worker of this site has started and that still runs, on any host."""
        found = []
        tree = psutil.Process(self.children["worker"].pid).children(recursive=True)
        if self.children["sshd"].poll() is None:
            tree += psutil.Process(self.children["sshd"].pid).children(recursive=True)
        for process in [*tree, *self._orphans()]:
            with suppress(psutil.NoSuchProcess):
                if process.name() in ENGINES and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def _orphans(self) -> list[psutil.Process]:
        own = str(self.server.folder)
        return [
            process
            for process in psutil.process_iter(["name", "cwd", "cmdline"])
            if (process.info["name"] == "mariadb-backup" and process.info["cwd"] == own)
            or (process.info["name"] in ENGINES and str(self.disk) in str(process.info["cmdline"]))
        ]

    def kill_engines(self, job: int) -> int:
        killed = 0
        for process in psutil.Process(self.job_worker(job)).children(recursive=True):
            # What starts a program may stand still before it has: the program dies with it.
            with suppress(psutil.NoSuchProcess):
                if process.name() in {"mariadb-backup", "mariadbd", "bwrap", "setpriv"}:
                    process.kill()
                    killed += 1
        return killed


@contextmanager
def breakable_site(home: Path) -> Iterator[BreakableSite]:
    """Run one: PostgreSQL, Redis, sshd, a MariaDB, a disk, a worker, and commands."""
    home.mkdir(mode=0o700)
    for name in ("said", "run"):
        (home / name).mkdir()
    new_mariadb(home / "data")
    settings = ServerOptions(
        port=free_port(), server_id=1, binlog=True, options={"innodb-log-file-size": "8M"}
    )
    server = PrivateServer(home / "data", settings, run_folder=home / "mariadb")
    with ExitStack() as stack:
        stack.enter_context(small_disk(home / "disk"))
        url = stack.enter_context(private_postgres())
        host = stack.enter_context(sshd.private_sshd(home / "sshd"))
        stack.enter_context(server)
        site = BreakableSite(home, url, server, host)
        try:
            _set_up(site, host.port)
            yield site
        finally:
            _end(site)


def _set_up(site: BreakableSite, ssh_port: int) -> None:
    prepare = [sys.executable, "-m", "scripts.prepare"]
    subprocess.run(prepare, cwd=ROOT, env=site.environment, check=True, capture_output=True)
    # From here on it is ours to kill: the one of the context ends, its keys and port stay.
    _take_over_sshd(site, ssh_port)
    site.start_broker()
    site.start_commands()
    site.start_worker()
    add_instances(site, site.server)
    ended = site.run("addrepository", "main", "--path", str(site.disk / "repository"))
    assert ended.code == 0, ended.err


def add_instances(site: BreakableSite, server: PrivateServer, suffix: str = "") -> None:
    """Add a server twice: reached from here, and by ssh."""
    with server.connect() as root, root.cursor() as cursor:
        for statement in SHOP:
            cursor.execute(statement)
        cursor.execute(f"CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
        cursor.execute(f"GRANT {', '.join(NEEDED)} ON *.* TO {USER}@'127.0.0.1'")
    password = site.home / "password"
    password.write_text(PASSWORD)
    account = ["--port", str(server.settings.port), "--user", USER]
    account += ["--password-file", str(password)]
    host = site.host
    ssh = ["--runner", "ssh", "--ssh-host", host.host, "--ssh-user", host.user]
    ssh += ["--ssh-port", str(host.port), "--ssh-identity-file", str(host.identity_file)]
    ssh += ["--ssh-known-hosts-file", str(host.known_hosts)]
    for words in ([f"near{suffix}", *account], [f"far{suffix}", *account, *ssh]):
        ended = site.run("addinstance", *words)
        assert ended.code == 0, ended.err
    password.unlink()


def second_server(folder: Path) -> PrivateServer:
    """Make another server; use it as a context."""
    new_mariadb(folder / "data")
    small = {"innodb-log-file-size": "8M"}
    settings = ServerOptions(port=free_port(), server_id=2, binlog=True, options=small)
    return PrivateServer(folder / "data", settings, run_folder=folder / "run")


def _take_over_sshd(site: BreakableSite, port: int) -> None:
    for process in psutil.Process().children():
        if process.name() == "sshd" and f"Port={port}" in process.cmdline():
            process.kill()
            process.wait()
    time.sleep(0.1)
    site.start_sshd()


def _end(site: BreakableSite) -> None:
    for child in site.children.values():
        if child.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.kill()
        child.wait()
    shutil.rmtree(site.home / "said", ignore_errors=True)
