"""How does a server of a newer series run on a restored copy, and how are its tables upgraded?

As every private server: as the owner of the files, behind the same walls, reachable by its socket
only. MySQL upgrades itself as it starts; for MariaDB its own program does, over that socket.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

from backups.engines import engine_named
from backups.engines.base import HostKeys
from backups.exceptions import EngineError
from backups.programs.compatibility import MYSQL
from backups.programs.disk_full import fail_if_disk_full
from backups.programs.private_server import PrivateServer
from backups.programs.server_program import program_folders
from backups.restores.upgrade_program import UPGRADER, UpgradeProgram
from backups.runners.local import LocalRunner
from backups.runners.sandbox import Sandbox
from backups.running.run import Run

# They name libraries of the series that was backed up.
_OF_OWN_SERIES = frozenset({"plugin-load-add", "plugin-dir"})
_NOTHING_TO_DO = " OK"
_LAST_LINES = 8
# Purging everything that a busy server had not purged yet can take hours.
_SHUTDOWN_SECONDS = 6 * 3600.0


def own_server(
    engine: str, folder: Path, program: str, keys: HostKeys, on_wait: Callable[[], None]
) -> PrivateServer:
    """Return a server of the backup's own series, whose shutdown leaves nothing to be done."""
    server = engine_named(engine).restored_server(
        folder, server=program, on_wait=on_wait, keys=keys
    )
    options = {**server.settings.options, "innodb-fast-shutdown": "0"}
    server.settings = replace(server.settings, options=options, stop_seconds=_SHUTDOWN_SECONDS)
    return server


def upgraded_server(
    engine: str, folder: Path, program: UpgradeProgram, keys: HostKeys, on_wait: Callable[[], None]
) -> PrivateServer:
    """Return the server to upgrade to, not started yet."""
    path = program.server.path if program.server.flavour == MYSQL else ""
    server = engine_named(engine).restored_server(folder, server=path, on_wait=on_wait, keys=keys)
    usual = replace(server.settings, stop_seconds=_SHUTDOWN_SECONDS)
    if program.server.flavour == MYSQL:
        server.settings = usual
        return server
    options = {name: value for name, value in usual.options.items() if name not in _OF_OWN_SERIES}
    server.settings = replace(usual, program=program.server, options=options)
    return server


def run_upgrader(run: Run, server: PrivateServer, program: UpgradeProgram) -> None:
    """Run the program that upgrades MariaDB's system tables, and log what it says."""
    if program.upgrader is None:
        return
    argv = [
        str(program.upgrader),
        "--no-defaults",
        f"--socket={server.socket}",
        "--user=root",
        f"--tmpdir={server.run_folder}",
        # A file in the copy may say that it was done.
        "--force",
    ]
    owner = server.folder.stat()
    readable = program_folders(replace(program.server, path=str(program.upgrader)))
    sandbox = Sandbox((server.folder, server.run_folder), readable, (owner.st_uid, owner.st_gid))
    with (
        LocalRunner(sandbox).start(argv, secret_files={}) as command,
        run.ending_by(command.stop),
        ThreadPoolExecutor(1) as second,
    ):
        errors = second.submit(command.stderr.read)
        said = _relay(run, command.stdout)
        said += errors.result().decode("utf-8", errors="replace").splitlines()
        exit_code = command.wait()
    run.check()
    if exit_code:
        end = "\n".join(said[-_LAST_LINES:])
        fail_if_disk_full(f"{end}\n{server.log.tail(100)}", server.folder)
        raise EngineError(
            f"mariadb-upgrade ended with {exit_code}:\n{end}",
            hint="Read the job's log for the table.",
        )


def _relay(run: Run, output: BinaryIO) -> list[str]:
    """Log each line but those of tables that need nothing; return the last ones."""
    last: deque[str] = deque(maxlen=_LAST_LINES)
    source = io.BufferedReader(cast(io.RawIOBase, output))
    try:
        for line in source:
            text = line.decode("utf-8", errors="replace").rstrip()
            last.append(text)
            if text.endswith(_NOTHING_TO_DO):
                run.alive()
            else:
                run.log(UPGRADER, text)
    finally:
        # The pipe belongs to the command, which closes it.
        source.detach()
    return list(last)
