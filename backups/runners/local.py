"""How does a command run on this machine, and end with this process in any case?

The kernel kills the command when the *thread* that started it ends (``setpriv --pdeathsig``),
so all commands are started by one thread that lives as long as this process does: a worker
that is killed with -9 ends its commands, and a thread pool that shrinks does not.

Secrets are kept in memory files that no folder lists; the command opens them through its own
``/proc/self/fd``. They disappear with the last process that has them open, so nothing remains to be
removed after a kill.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import BinaryIO, ClassVar, cast

from backups.exceptions import RunnerError
from backups.runners.base import Completed, RunningCommand
from backups.runners.environment import tool_environment
from backups.runners.groups import end_group, start_time
from backups.runners.priority import lower_own_priority, lower_session
from backups.runners.sandbox import Sandbox, confine

# The maximum for an unprivileged process; sixteen times the default.
PIPE_BYTES = 1 << 20
# Exit codes of setpriv, like those of a shell: not executable, not found.
NEVER_STARTED = {126, 127}
TIED_TO_US = ("setpriv", "--pdeathsig", "KILL", "--")
# Debian installs some programs in folders that are only in root's PATH.
EXTRA_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


class LocalCommand:
    """A command in a session of its own."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        self.stdout = cast(BinaryIO, child.stdout)
        self.stderr = cast(BinaryIO, child.stderr)
        self.stdin = child.stdin
        self.process = (child.pid, start_time(child.pid))
        self._stopping = threading.Lock()
        with contextlib.suppress(OSError):
            fcntl.fcntl(self.stdout, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def wait(self) -> int:
        return self._child.wait()

    def wait_for(self, seconds: float) -> int | None:
        """Return the exit code; None if it has not ended within ``seconds``."""
        try:
            return self._child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        with self._stopping:
            self._hang_up()
            end_group(*self.process)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout=1)

    def close(self) -> None:
        """Stop it and close its pipes, once all readers are done."""
        self.stop()
        for pipe in (self.stdout, self.stderr):
            with contextlib.suppress(OSError):
                pipe.close()

    def _hang_up(self) -> None:
        if self.stdin is not None:
            with contextlib.suppress(OSError):
                self.stdin.close()


class LocalRunner:
    """Runs commands on this machine."""

    kind: ClassVar[str] = "local"

    def __init__(self, sandbox: Sandbox | None = None) -> None:
        """With a sandbox, every command runs confined to it."""
        self._sandbox = sandbox

    def run(self, argv: Sequence[str], *, timeout_seconds: float = 30) -> Completed:
        with self.start(argv, secret_files={}) as command:
            done = complete(command, argv[0], timeout_seconds)
        if error := self.failure(argv, done.exit_code, done.stderr):
            raise error
        return done

    @contextlib.contextmanager
    def start(
        self, argv: Sequence[str], *, secret_files: Mapping[str, str]
    ) -> Iterator[LocalCommand]:
        owner = self._sandbox.owner if self._sandbox else None
        with memory_files(secret_files, owner) as files:
            places = {name: f"/proc/self/fd/{fd}" for name, fd in files.items()}
            words = [fill_in(word, places) for word in argv]
            words[0] = find_program(words[0])
            if self._sandbox is not None:
                words = confine(words, self._sandbox)
            command = spawn(words, pass_fds=tuple(files.values()))
        try:
            yield command
        finally:
            command.close()

    def failure(self, argv: Sequence[str], exit_code: int, stderr: str) -> RunnerError | None:
        if exit_code in NEVER_STARTED and stderr.startswith("setpriv: "):
            return RunnerError(f"{argv[0]} could not be started: {stderr.splitlines()[0]}")
        return None


def spawn(
    argv: Sequence[str],
    *,
    pass_fds: Sequence[int] = (),
    stdin: int = subprocess.DEVNULL,
    environment: Mapping[str, str] | None = None,
    folder: str | None = None,
) -> LocalCommand:
    """Start a command that ends when this process does.

    ``environment`` is added to that of every tool; ``folder`` is where it runs.
    """

    wrapped = [*TIED_TO_US, *argv]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            wrapped,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=tool_environment() | dict(environment or {}),
            cwd=folder,
            pass_fds=pass_fds,
            start_new_session=True,
        )

    try:
        child = _spawning_thread(os.getpid()).submit(start).result()
    except OSError as exc:
        raise _not_started(exc, argv[0], folder) from exc
    # A session is a scheduling group of its own: what its processes inherit is not enough.
    lower_session(child.pid)
    return LocalCommand(child)


def _not_started(exc: OSError, name: str, folder: str | None) -> RunnerError:
    """Say why Python could not start a command."""
    if isinstance(exc, FileNotFoundError):
        if folder is not None and not os.path.isdir(folder):
            return RunnerError(f"folder {folder} of {name} does not exist")
        return RunnerError(
            f"{TIED_TO_US[0]} is not installed on this host", hint="Install util-linux."
        )
    return RunnerError(f"{name} could not be started on this host: {exc}")


def complete(command: RunningCommand, name: str, timeout_seconds: float) -> Completed:
    """Read a short command to its end."""
    late = threading.Event()

    def give_up() -> None:
        late.set()
        command.stop()

    timer = threading.Timer(timeout_seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        with ThreadPoolExecutor(1) as second:
            errors = second.submit(command.stderr.read)
            output = command.stdout.read()
            stderr = errors.result()
        exit_code = command.wait()
    finally:
        timer.cancel()
    if late.is_set():
        raise RunnerError(f"{name} did not end within {timeout_seconds:g} s and was stopped")
    return Completed(exit_code, _text(output), _text(stderr))


def fill_in(word: str, places: Mapping[str, str]) -> str:
    """Replace each known ``{name}``; other braces are left unchanged."""
    return re.sub(r"\{(\w+)\}", lambda match: places.get(match[1], match[0]), word)


@contextlib.contextmanager
def memory_files(
    texts: Mapping[str, str], owner: tuple[int, int] | None = None
) -> Iterator[dict[str, int]]:
    """Open a memory file, mode 0600, for each text; closed here, they stay open in children.

    ``owner``: ids of the user and group that open them, if those are not ours.
    """
    files: dict[str, int] = {}
    try:
        for name, text in texts.items():
            files[name] = fd = os.memfd_create(name, os.MFD_CLOEXEC)
            # MariaDB's programs ignore a world-writable settings file.
            os.fchmod(fd, 0o600)
            os.write(fd, text.encode())
            if owner is not None and owner[0] != os.geteuid():
                os.fchown(fd, *owner)
        yield files
    finally:
        for fd in files.values():
            os.close(fd)


@lru_cache(maxsize=1)
def _spawning_thread(owner: int) -> ThreadPoolExecutor:
    """Return the thread that starts all commands of process ``owner``; a fork gets its own.

    They inherit its priority.
    """
    return ThreadPoolExecutor(
        1, thread_name_prefix=f"spawn-{owner}", initializer=lower_own_priority
    )


def find_program(name: str) -> str:
    """Return the path of a program; RunnerError if this host does not have it."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *EXTRA_FOLDERS))
    if (program := shutil.which(name, path=path)) is None:
        raise RunnerError(
            f"{name} is not installed on this host",
            hint=f"Install {name}, or add its folder to the worker's PATH.",
        )
    return program


def _text(output: bytes) -> str:
    return output.decode("utf-8", errors="replace")
