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
from dataclasses import dataclass
from pathlib import Path

from backups.runners.environment import tool_environment
from scripts.console import SetupError, give_up

ROOT = Path(__file__).resolve().parent.parent
# The kernel's limit for the path of a unix socket, without its closing zero byte.
SOCKET_PATH_BYTES = 107
DEFAULT_PORT = 8000


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep running."""

    name: str
    argv: tuple[str, ...]
    # How the kernel tells it that its parent is gone. Celery takes TERM as "finish your
    # jobs first", which may take hours that nobody waits for any more.
    orphan_signal: signal.Signals = signal.SIGTERM
    # What ends it without waiting for jobs, once it had its time.
    impatient_signal: signal.Signals = signal.SIGTERM
    # What its log says once it is ready for work; empty where nothing has to be waited for.
    ready_words: str = ""
    # Whether it is Mooring: others get no keys and no passwords in their environment.
    ours: bool = True

    def environment(self, whole: Mapping[str, str]) -> dict[str, str]:
        return dict(whole) if self.ours else tool_environment(whole)


def home(environment: Mapping[str, str]) -> Path:
    """Return the state folder, as the settings find it."""
    return Path(environment.get("MOORING_HOME") or ROOT / "var").resolve()


def bind_address(environment: Mapping[str, str]) -> str:
    port = environment.get("MOORING_PORT") or DEFAULT_PORT
    return environment.get("MOORING_BIND") or f"127.0.0.1:{port}"


def children(environment: Mapping[str, str]) -> list[Child]:
    """Return the processes in the order of their start; they stop the other way round."""
    mooring = [_worker(environment), _control(), _outside(), _web(environment), _beat()]
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
    return Child("redis", tuple(argv), ours=False)


def _web(environment: Mapping[str, str]) -> Child:
    argv = [sys.executable, "-m", "gunicorn", "monitor.wsgi", "--bind", bind_address(environment)]
    argv += ["--worker-class", "gthread", "--workers", environment.get("MOORING_WEB_WORKERS", "2")]
    argv += ["--threads", "4", "--graceful-timeout", "10", "--no-control-socket"]
    return Child("web", tuple(argv))


def _worker(environment: Mapping[str, str]) -> Child:
    concurrency = environment.get("MOORING_WORKERS", "2")
    return _celery("worker", "copy,transfer", concurrency)


def _control() -> Child:
    """Ticks have a worker of their own, so that long jobs never keep them waiting."""
    return _celery("control", "control", "1")


def _outside() -> Child:
    """Messages and questions to others wait: threads do, and one slow answer holds up one."""
    return _celery("outside", "outside", "8", pool="threads")


def _celery(name: str, queues: str, concurrency: str, pool: str = "prefork") -> Child:
    argv = [sys.executable, "-m", "celery", "-A", "monitor", "worker", "--queues", queues]
    argv += ["--hostname", f"{name}@%h", "--concurrency", concurrency, "--pool", pool]
    argv += ["--loglevel", "INFO", "--without-gossip", "--without-mingle"]
    return Child(name, tuple(argv), signal.SIGQUIT, signal.SIGQUIT, ready_words=" ready.")


def _beat() -> Child:
    argv = [sys.executable, "-m", "celery", "-A", "monitor", "beat", "--loglevel", "INFO"]
    return Child("beat", (*argv, "--pidfile="))


def main() -> None:
    wanted = sys.argv[1] if len(sys.argv) == 2 else ""
    known = {child.name: child for child in children(os.environ)}
    if wanted not in known:
        give_up(f"no process is called {wanted!r}", f"Name one of {', '.join(known)}.")
    argv, environment = known[wanted].argv, known[wanted].environment(os.environ)
    # Becoming the process is what this is for.
    os.execvpe(argv[0], argv, environment)  # noqa: S606  # nosec B606


if __name__ == "__main__":
    main()
