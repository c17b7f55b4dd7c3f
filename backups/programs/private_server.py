"""A private MariaDB or MySQL server on a private data folder, which ends with this process.

Used by restore tests, the demo and the tests. It never reads the machine's configuration, listens
on no other address than this machine's, and runs no replication and no events of its data: a
restored copy of production must not act like production.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import pymysql
from pymysql.connections import Connection

from backups.exceptions import EngineError
from backups.logins.session import begin_session
from backups.programs.disk_full import fail_if_disk_full
from backups.programs.inner_listener import ListenerLink
from backups.programs.keyring_program import link_with_keyring
from backups.programs.occupant import occupant
from backups.programs.run_folder import RunFolder
from backups.programs.server_ending import require_order
from backups.programs.server_log import ServerLog
from backups.programs.server_process import end, exit_code_of, servers_of, start
from backups.programs.server_program import (
    ARIA,
    MODEST,
    ServerProgram,
    mariadb_program,
    program,
    program_folders,
)
from backups.programs.server_session import gone, session
from backups.runners.environment import tool_environment
from backups.runners.groups import start_time
from backups.runners.sandbox import Sandbox, confine

# The kernel's limit for the path of a unix socket, without its closing zero byte.
SOCKET_PATH_BYTES = 107
# Data folders made by ``initialise`` need no durability: they are re-created in seconds.
HASTY = {"innodb-flush-log-at-trx-commit": "0", "innodb-doublewrite": "0", "sync-frm": "0"}
# Access denied: the server is up.
ANSWERED = {1045, 1698}


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How a private server is run. ``options`` override everything set here."""

    # None: reachable by its socket only.
    port: int | None = None
    skip_grant_tables: bool = False
    server_id: int | None = None
    binlog: bool = False
    # Whether it opens files that somebody else may have made: see ``runners.sandbox``.
    confined: bool = False
    # Whether we are to have a socket in its network, on which we can listen for it.
    reaches_us: bool = False
    # Further paths that it must be able to read then.
    readable: tuple[Path, ...] = ()
    # None: this host's MariaDB.
    program: ServerProgram | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    # The longest silence at start: crash recovery may take long while the log shows progress.
    silence_seconds: float = 300
    stop_seconds: float = 120


class PrivateServer:
    """A running server. Use as a context: leaving it leaves no process behind.

    The server ends with the *thread* that started it, so start it from one that outlives it.
    """

    def __init__(
        self,
        folder: Path,
        settings: ServerOptions | None = None,
        *,
        run_folder: Path | None = None,
        on_wait: Callable[[], None] = lambda: None,
        on_line: Callable[[str], None] = lambda line: None,
    ) -> None:
        """``run_folder`` holds socket and log; without one a temporary folder is used.

        ``on_wait`` is called while the server starts; what it raises ends the server.
        ``on_line`` gets each line of its log: while it starts, and by ``log.relay``.
        """
        self.folder = folder.resolve()
        self.settings = settings or ServerOptions()
        self._temporary: RunFolder | None = None
        if run_folder is None:
            self._temporary = RunFolder()
            run_folder = self._temporary.path
        self.run_folder = run_folder.resolve()
        self.on_wait, self._on_line = on_wait, on_line
        self.log = ServerLog(self.log_file, on_line)
        self._server: subprocess.Popen[bytes] | None = None
        self._has_answered = False
        # In its network, which is not ours where it is confined; None unless ``reaches_us``.
        self.listener: socket.socket | None = None
        # The end of its log, which is deleted with the run folder.
        self.log_end = ""
        # What its start did to the data; blank: nothing worth a remark.
        self.remark = ""

    @property
    def socket(self) -> Path:
        return self.run_folder / "server.sock"

    @property
    def log_file(self) -> Path:
        return self.run_folder / "server.log"

    @property
    def process(self) -> tuple[int, float]:
        """Process group and start time, of a server that runs."""
        pid = self._server.pid if self._server and self._server.poll() is None else 0
        return pid, start_time(pid)

    @property
    def pid(self) -> int | None:
        """The server's process, while it runs."""
        if self._server is None or self._server.poll() is not None:
            return None
        return next((server.pid for server in servers_of(self._server)), self._server.pid)

    def __enter__(self) -> PrivateServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and return once it answers, or raise EngineError with its log.

        After a start that failed it may be started again.
        """
        self.log_end, self.log = "", ServerLog(self.log_file, self._on_line)
        try:
            self._refuse_unusable()
            self._prepare_run_folder()
            with self.log_file.open("ab") as log:
                self._run(log)
            self._wait_for_answer()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server, gently at first. May be called any number of times."""
        if self._server is not None:
            # A starting server may ignore TERM; it can be killed without loss.
            end(self._server, self.settings.stop_seconds if self._has_answered else 0)
            self.log_end = self.log_end or self.log.tail(100)
        if self.listener is not None:
            self.listener.close()
        if self._temporary:
            self._temporary.remove()

    def _run(self, log: BinaryIO) -> None:
        if not self.settings.reaches_us:
            self._server = start(self._argv(), log)
            return
        with ListenerLink() as link:
            self._server = start(self._argv(link), log, link.passed_on)
            self.listener = link.receive()

    def kill(self) -> None:
        """Kill the server at once, for callers that must not wait for a shutdown."""
        if self._server is not None:
            end(self._server, 0)

    def exit_code(self, seconds: float) -> int | None:
        """Return how it ended, waiting so long for that; None while it runs, or if it never did."""
        if self._server is None:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._server.wait(seconds)
        return exit_code_of(self._server)

    def shut_down(self) -> None:
        """Stop the server, or raise if it did not end in order: see ``require_order``."""
        self.stop()
        if self._server is not None:
            require_order(exit_code_of(self._server) or 0, self.log_end, self.folder)

    def connect(
        self, *, user: str = "root", password: str = "", database: str | None = None
    ) -> Connection:
        """Return a connection over the socket, in autocommit mode."""
        connection = pymysql.connect(
            unix_socket=str(self.socket),
            user=user,
            password=password,
            database=database,
            charset="utf8mb4",
            autocommit=True,
        )
        begin_session(connection)
        return connection

    def version(self) -> str:
        with session(self) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT VERSION()")
            row = cursor.fetchone()
        return str(row[0]) if row else "unknown version"

    def _refuse_unusable(self) -> None:
        if not (self.folder / "mysql").is_dir():
            raise EngineError(f"server not started: {self.folder} is not a data folder")
        if (pid := occupant(self.folder)) is not None:
            known = f", process {pid}," if pid else ""
            raise EngineError(
                f"server not started: another one{known} runs on {self.folder}",
                hint="Stop that server first; two servers on one data folder destroy it.",
            )
        if len(os.fsencode(self.socket)) > SOCKET_PATH_BYTES:
            raise EngineError(
                f"server not started: the path of its socket is longer than "
                f"{SOCKET_PATH_BYTES} bytes: {self.socket}",
                hint="Use a folder with a shorter path.",
            )

    def _prepare_run_folder(self) -> None:
        if self._temporary:
            self._temporary.make()
        self.run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A killed server leaves its socket; occupant() has checked that none runs.
        self.socket.unlink(missing_ok=True)
        owner = self.folder.stat()
        if os.geteuid() == 0 and owner.st_uid != 0:
            # MySQL refuses to start if it cannot write its log.
            self.log_file.touch()
            for path in (self.run_folder, self.log_file):
                os.chown(path, owner.st_uid, owner.st_gid)

    def _argv(self, link: ListenerLink | None = None) -> list[str]:
        server = self.settings.program or mariadb_program()
        if server.keyring is not None:
            server = link_with_keyring(server, server.keyring, self.run_folder / "keyring")
        options = dict(server.options)
        if not self.settings.binlog:
            options["skip-log-bin"] = ""
        else:
            options["log-bin"] = "binlog"
        if self.settings.server_id is not None:
            options["server-id"] = str(self.settings.server_id)
        options |= self.settings.options
        return [
            *self._surroundings(server, link),
            server.path,
            "--no-defaults",
            *_mysql_user(self.folder),
            f"--datadir={self.folder}",
            f"--socket={self.socket}",
            f"--pid-file={self.run_folder / 'server.pid'}",
            f"--log-error={self.log_file}",
            # Not /tmp: a starting server deletes the temporary tables of all others there.
            f"--tmpdir={self.run_folder}",
            "--event-scheduler=DISABLED",
            *self._network_options(),
            *(["--skip-grant-tables"] if self.settings.skip_grant_tables else []),
            *_words(options),
        ]

    def _surroundings(self, server: ServerProgram, link: ListenerLink | None) -> list[str]:
        """Run the server as the owner of its data, and where asked confined to its folders."""
        before = link.argv if link else ()
        if not self.settings.confined:
            return [*before, *_as_owner(self.folder)]
        owner = self.folder.stat()
        readable = (*program_folders(server), *self.settings.readable)
        readable += link.readable if link else ()
        sandbox = Sandbox((self.folder, self.run_folder), readable, (owner.st_uid, owner.st_gid))
        return ["setpriv", "--pdeathsig", "KILL", "--", *confine([], sandbox, before)]

    def _network_options(self) -> list[str]:
        if self.settings.port is None:
            return ["--skip-networking"]
        return [f"--port={self.settings.port}", "--bind-address=127.0.0.1"]

    def _wait_for_answer(self) -> None:
        silent_since, log_bytes = time.monotonic(), 0
        while not self._answers():
            self.log.relay()
            self.on_wait()
            if self.exit_code(0) is not None:
                fail_if_disk_full(self.log.tail(100), self.folder)
                raise gone(self)
            size = self.log_file.stat().st_size if self.log_file.exists() else 0
            if size != log_bytes:
                silent_since, log_bytes = time.monotonic(), size
            elif time.monotonic() - silent_since > self.settings.silence_seconds:
                fail_if_disk_full(self.log.tail(100), self.folder)
                raise EngineError(
                    f"the private server neither answered nor logged anything for "
                    f"{self.settings.silence_seconds:.0f} s:\n{self.log.tail()}"
                )
            time.sleep(0.05)
        self._has_answered = True

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except pymysql.err.OperationalError as exc:
            return exc.args[0] in ANSWERED
        return True


def initialise(folder: Path, options: Mapping[str, str] | None = None) -> None:
    """Initialise an empty folder as a data folder, with root without a password."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise EngineError(f"data folder not initialised: {folder} is not empty")
    argv = [
        *_as_owner(folder),
        program("mariadb-install-db"),
        "--no-defaults",
        *_mysql_user(folder),
        # Relative, because the script breaks at a space in a path.
        "--datadir=.",
        "--tmpdir=.",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--skip-name-resolve",
        *_words(MODEST | ARIA | HASTY | dict(options or {})),
    ]
    done = subprocess.run(
        argv,
        cwd=folder,
        env=tool_environment(),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        output = "\n".join((done.stdout + done.stderr).splitlines()[-12:])
        raise EngineError(f"mariadb-install-db ended with {done.returncode}:\n{output}")


def _as_owner(folder: Path) -> list[str]:
    """Run as the owner of the data, and end with the process that started it.

    setpriv changes the user and not mariadbd itself: a later change would make the kernel
    forget the signal.
    """
    owner = folder.stat()
    argv = ["setpriv", "--pdeathsig", "KILL"]
    if os.geteuid() == 0 and owner.st_uid != 0:
        argv += ["--reuid", str(owner.st_uid), "--regid", str(owner.st_gid), "--clear-groups"]
    return [*argv, "--"]


def _mysql_user(folder: Path) -> list[str]:
    """Return the option without which mariadbd refuses to run as root."""
    return ["--user=root"] if os.geteuid() == 0 and folder.stat().st_uid == 0 else []


def _words(options: Mapping[str, str]) -> list[str]:
    return [f"--{name}={value}" if value else f"--{name}" for name, value in options.items()]
