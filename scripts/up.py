"""Run Mooring: web, workers, ticks and, unless REDIS_URL is set, a Redis of its own.

python -m scripts.up
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from scripts.console import SetupError, complain, say, timed
from scripts.processes import ROOT, bind_address, children, home
from scripts.state_folder import remember, sole_user
from scripts.supervisor import Supervisor
from scripts.which_folder import remember_folder


def site_url(environment: Mapping[str, str]) -> str:
    """Return the address people open."""
    host, _, port = bind_address(environment).rpartition(":")
    # Bound to every address, it is on this one as well.
    everywhere = host in {"0.0.0.0", "[::]", ""}  # noqa: S104  # nosec B104
    return f"http://{'127.0.0.1' if everywhere else host}:{port}/"


def prepare(environment: Mapping[str, str], *arguments: str) -> None:
    """Bring the state folder up to date, in a process of its own; stop here where that fails."""
    argv = [sys.executable, "-m", "scripts.prepare", *arguments]
    if subprocess.run(argv, cwd=ROOT, env=dict(environment), check=False).returncode:
        raise SystemExit(1)


@contextmanager
def running(
    environment: Mapping[str, str], beneath: AbstractContextManager[None] | None = None
) -> Iterator[Supervisor]:
    """Have Mooring run, ready to serve, and stopped in order afterwards.

    What it needs ``beneath`` it is entered first and left last.
    """
    folder = home(environment)
    with ExitStack() as stack:
        stack.enter_context(sole_user(folder))
        remember_folder(folder)
        refuse_taken_port(environment)
        _refuse_missing_redis(environment)
        if beneath is not None:
            stack.enter_context(beneath)
        supervisor = Supervisor(
            children(environment),
            log_folder=folder / "log",
            environment=environment,
            patience_seconds=float(environment.get("MOORING_STOP_SECONDS", "30")),
            on_start=lambda pids: remember(folder, pids),
        )
        on_stop_signals(supervisor.request_stop)
        try:
            with timed("starting " + ", ".join(kept.child.name for kept in supervisor.kept)):
                supervisor.start(lambda: _answers(environment))
            yield supervisor
        finally:
            say("stopping what was started")
            supervisor.stop()
            for left in ("processes.json", "redis.sock"):
                (folder / "run" / left).unlink(missing_ok=True)


def refuse_taken_port(environment: Mapping[str, str]) -> None:
    """Say who has the port, before anything is started."""
    address = bind_address(environment)
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host.strip("[]"), int(port)))
    except (OSError, ValueError) as exc:
        taken = isinstance(exc, OSError) and exc.errno == errno.EADDRINUSE
        cause = f"taken{_holder(int(port))}" if taken else str(exc)
        raise SetupError(
            f"{address} cannot be served: {cause}",
            hint="Set MOORING_PORT to a free port, or MOORING_BIND to another host:port.",
        ) from exc


def _holder(port: int) -> str:
    """Name the process that listens on a port, where we may know it."""
    with suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN
            if listens and tuple(connection.laddr)[1:2] == (port,) and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    return ""


def _refuse_missing_redis(environment: Mapping[str, str]) -> None:
    if not environment.get("REDIS_URL") and shutil.which("redis-server") is None:
        raise SetupError(
            "redis-server is not installed",
            hint="Install it (on Debian: redis-server), or set REDIS_URL.",
        )


def _answers(environment: Mapping[str, str]) -> bool:
    """Whether web serves and, where it is ours, Redis listens."""
    if not environment.get("REDIS_URL") and not _listens(home(environment) / "run" / "redis.sock"):
        return False
    try:
        address = f"{site_url(environment)}healthz"
        urllib.request.urlopen(address, timeout=5).close()  # noqa: S310 - our own  # nosec B310
    except urllib.error.HTTPError:
        return True  # a refusal is an answer
    except OSError:
        return False
    return True


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def on_stop_signals(stop: Callable[[], None]) -> None:
    """Have ``stop`` called by Ctrl-C, by a supervisor's TERM, and when the terminal closes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: stop())


def main() -> int:
    environment = dict(os.environ)
    prepare(environment, "--admin")
    try:
        with running(environment) as supervisor:
            if not supervisor.stop_requested:
                say(f"Mooring is up: {site_url(environment)} (Ctrl-C stops it)")
                say(f"logs: {home(environment) / 'log'}")
            supervisor.run()
    except SetupError as exc:
        complain(str(exc), exc.hint)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
