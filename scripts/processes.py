"""Which processes make up Mooring, and how is each of them run?

    python -m scripts.processes NAME

becomes the process of that name: ``Procfile`` uses it, so that a supervisor of the
operator's own choice and ``./mooring up`` run the very same commands.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from backups.runners.environment import tool_environment
from backups.runners.priority import low_priority, lower_own_session
from scripts.console import SetupError, give_up

ROOT = Path(__file__).resolve().parent.parent
# The kernel's limit for the path of a unix socket, without its closing zero byte.
SOCKET_PATH_BYTES = 107
DEFAULT_PORT = 8000
# Looked at and named, never written.
MEMORY_FOLDER = Path("/dev/shm")  # nosec B108


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep running."""

    name: str
    argv: tuple[str, ...]
    # How the kernel tells it that its parent is gone. Celery takes TERM as "finish your
    # jobs first", which may take hours.
    orphan_signal: signal.Signals = signal.SIGTERM
    # What ends it without waiting for jobs, once it had its time.
    impatient_signal: signal.Signals = signal.SIGTERM
    # What its log says once it is ready for work; empty where nothing has to be waited for.
    ready_words: str = ""
    # The others need it until they have ended, so it is stopped after them.
    stops_last: bool = False
    # What asks it to end.
    stop_signal: signal.Signals = signal.SIGTERM
    # Whether it is Mooring: others get no keys and no passwords in their environment.
    ours: bool = True
    # Whether servers on this host come first.
    low: bool = False

    def environment(self, whole: Mapping[str, str]) -> dict[str, str]:
        return dict(whole) if self.ours else tool_environment(whole)


def home(environment: Mapping[str, str]) -> Path:
    """Return the state folder, as the settings find it."""
    return Path(environment.get("MOORING_HOME") or ROOT / "var").resolve()


def bind_address(environment: Mapping[str, str]) -> str:
    port = environment.get("MOORING_PORT") or DEFAULT_PORT
    return environment.get("MOORING_BIND") or f"127.0.0.1:{port}"


def children(environment: Mapping[str, str]) -> list[Child]:
    """Return the processes; they start together."""
    mooring = [_worker(environment), _control(), _binlogs(), _web(environment)]
    if environment.get("REDIS_URL"):
        return mooring
    return [_redis(home(environment) / "run"), *mooring]


def _redis(folder: Path) -> Child:
    socket = folder / "redis.sock"
    if len(os.fsencode(socket)) > SOCKET_PATH_BYTES:
        raise SetupError(
            f"the path of Redis' socket is longer than {SOCKET_PATH_BYTES} bytes: {socket}",
            hint="Set MOORING_HOME to a folder with a shorter path, or REDIS_URL to a Redis.",
        )
    # Nothing is kept on disk: messages only wake workers, and ticks send lost ones again.
    argv = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"]
    argv += ["--dir", str(folder), "--save", "", "--appendonly", "no"]
    argv += ["--maxmemory-policy", "noeviction", "--daemonize", "no"]
    # It has nothing that expires, and need not wake up ten times a second to look.
    argv += ["--hz", "1"]
    # It has nothing to lose, and would look only once a second whether it is asked to end.
    return Child("redis", tuple(argv), stops_last=True, stop_signal=signal.SIGKILL, ours=False)


def _web(environment: Mapping[str, str]) -> Child:
    argv = [sys.executable, "-m", "gunicorn", "monitor.wsgi", "--bind", bind_address(environment)]
    # Threads get whole requests only: see there.
    argv += ["--worker-class", "monitor.web_worker.CollectingWorker"]
    argv += ["--workers", environment.get("MOORING_WEB_WORKERS", "2")]
    argv += ["--worker-connections", "500", "--limit-request-line", "8190"]
    argv += ["--limit-request-fields", "60", "--timeout", "30", "--no-sendfile"]
    argv += ["--threads", "4", "--graceful-timeout", "10", "--no-control-socket"]
    # Its processes share what was loaded once.
    argv += ["--preload"]
    # They show every second that they live: in memory, where there is a place for that.
    if MEMORY_FOLDER.is_dir():
        argv += ["--worker-tmp-dir", str(MEMORY_FOLDER)]
    return Child("web", tuple(argv))


def _worker(environment: Mapping[str, str]) -> Child:
    concurrency = environment.get("MOORING_WORKERS", "2")
    child = _celery("worker", "monitor", "copy,transfer", concurrency, pool="prefork")
    # It compresses and encrypts, perhaps beside the server that it copies.
    return replace(child, argv=(*low_priority(environment), *child.argv), low=True)


def _control() -> Child:
    """Run the ticks, away from long jobs, and what waits for others: threads do, one for each."""
    return _celery("control", "monitor.control", "control,outside", "8", pool="threads")


def _binlogs() -> Child:
    """Run the receivers of binlogs: nothing of them waits for jobs or ticks."""
    argv = [sys.executable, str(ROOT / "manage.py"), "receivebinlogs"]
    return Child("binlogs", tuple(argv), ready_words=" ready.")


def _celery(name: str, app: str, queues: str, concurrency: str, *, pool: str) -> Child:
    # What Django would check is no matter of a worker's, and takes all pages to be loaded.
    argv = [sys.executable, "-m", "celery", "-A", app, "--skip-checks", "worker"]
    argv += ["--queues", queues]
    argv += ["--hostname", f"{name}@%h", "--concurrency", concurrency, "--pool", pool]
    argv += ["--loglevel", "INFO", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    return Child(name, tuple(argv), signal.SIGQUIT, signal.SIGQUIT, ready_words=" ready.")


def main() -> None:
    wanted = sys.argv[1] if len(sys.argv) == 2 else ""
    known = {child.name: child for child in children(os.environ)}
    if wanted not in known:
        give_up(f"no process is called {wanted!r}", f"Name one of {', '.join(known)}.")
    argv, environment = known[wanted].argv, known[wanted].environment(os.environ)
    if known[wanted].low:
        lower_own_session()
    # Becoming the process is what this is for.
    os.execvpe(argv[0], argv, environment)  # noqa: S606  # nosec B606


if __name__ == "__main__":
    main()
