"""Run a command with DATABASE_URL naming a PostgreSQL that exists only while it runs.

python -m scripts.private_postgres pytest -m "not live"
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from scripts.console import SetupError, complain, timed

# Nothing in it has to survive anything. Statistics of a table that was nearly empty a moment ago
# make plans for thousands of rows that take minutes.
HASTY = ("-F", "-c", "full_page_writes=off", "-c", "synchronous_commit=off", "-c", "autovacuum=off")
USER = "mooring"


def program(name: str) -> str:
    """Return the newest of PostgreSQL's programs of that name."""
    paths = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: int(p.parts[-3])
    )
    path = str(paths[-1]) if paths else shutil.which(name)
    if path is None:
        raise SetupError(f"{name} is not installed", hint="Install PostgreSQL's server.")
    return path


@contextmanager
def private_postgres() -> Iterator[str]:
    """Yield the URL of a new PostgreSQL that is reached by its socket only."""
    with tempfile.TemporaryDirectory(prefix="mooring-pg-") as name:
        folder = Path(name)
        unprivileged = _unprivileged()
        if unprivileged:
            os.chown(folder, unprivileged.pw_uid, unprivileged.pw_gid)
        as_user = _as_user(unprivileged)
        with timed("making a private PostgreSQL"):
            _run([*as_user, program("initdb"), "-D", f"{name}/data", "-U", USER, "-A", "trust"])
            server = start_server(name)
        try:
            yield f"postgres://{USER}@{quote(name, safe='')}/postgres"
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait()


def start_server(name: str) -> subprocess.Popen[bytes]:
    """Start the server of folder ``name``, for the first time or again; it answers."""
    as_user = _as_user(_unprivileged())
    server = _start([*as_user, program("postgres"), "-D", f"{name}/data", "-k", name])
    try:
        _wait_for_answer(server, name)
    except BaseException:
        server.kill()
        raise
    return server


def _start(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    folder = Path(argv[-1])
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [*argv, "-c", "listen_addresses=", *HASTY],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait_for_answer(server: subprocess.Popen[bytes], folder: str) -> None:
    argv = [program("pg_isready"), "-q", "-h", folder, "-U", USER]
    while subprocess.run(argv, check=False).returncode:
        if server.poll() is not None:
            log = (Path(folder) / "log").read_text(encoding="utf-8", errors="replace")
            raise SetupError(f"PostgreSQL ended with {server.returncode}:\n{log}")
        time.sleep(0.05)


def _unprivileged() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to be root: its own user will do, and else nobody."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _as_user(user: pwd.struct_passwd | None) -> list[str]:
    # It goes with us, however we go: QUIT is its word for at once.
    argv = ["setpriv", "--pdeathsig", "QUIT"]
    if user is not None:
        argv += ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
    return [*argv, "--"]


def _run(argv: Sequence[str]) -> None:
    done = subprocess.run(
        argv, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SetupError(f"PostgreSQL's data folder was not made:\n{done.stderr}")


def main() -> int:
    try:
        with private_postgres() as url:
            return subprocess.run(
                sys.argv[1:], env=os.environ | {"DATABASE_URL": url}, check=False
            ).returncode
    except SetupError as exc:
        complain(str(exc), exc.hint)
        return 1


if __name__ == "__main__":
    sys.exit(main())
