"""How does mariadb-backup make a copy, and how is that made ready for a server?

Thin: one run of the tool is in ``copying``, its options in ``command``, the stream in ``mbstream``,
the log in ``log``, the facts in ``metadata``; what is copied without the tool in ``optimistic``.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar, cast

from backups.engines.base import (
    BLOCK_KINDS,
    NO_KEYS,
    PARTIAL,
    CopyFacts,
    CopyObserver,
    CopyRequest,
    CopyStream,
    EngineOptions,
    HostKeys,
    Prepared,
    PrepareWatch,
)
from backups.engines.details import CopyDetails
from backups.engines.foreign_files import remove_foreign
from backups.engines.mariadb_backup.aria_marks import marked_tables
from backups.engines.mariadb_backup.command import SETTINGS, TOOL, prepare_argv
from backups.engines.mariadb_backup.copying import run_tool
from backups.engines.mariadb_backup.errors import check_prepare
from backups.engines.mariadb_backup.fitting import check_restore
from backups.engines.mariadb_backup.host_plugins import engines_here, readable_paths
from backups.engines.mariadb_backup.key_proof import judge_failure, prove_keys, unproved_keys
from backups.engines.mariadb_backup.log import (
    BACKUP_LOCK,
    REDO_COPY,
    STAGES,
)
from backups.engines.mariadb_backup.metadata import (
    MariadbDetails,
    is_partial,
    read_end_lsn,
)
from backups.engines.mariadb_backup.optimistic import optimistic_copy
from backups.engines.mariadb_backup.options import QUIET_TABLES, MariadbOptions
from backups.engines.mariadb_backup.remade import RemadeFiles
from backups.engines.mariadb_backup.restored import prepare_settings, server_options
from backups.engines.mariadb_backup.shaping import SETTINGS_FILE, read_shaping
from backups.engines.mariadb_backup.undecided import RestoredMariadb
from backups.exceptions import EngineError
from backups.pacing.profile import PaceProfile, RedoRace
from backups.programs.disk_full import fail_if_disk_full
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.programs.redo_progress import RedoProgress
from backups.runners.base import RunningCommand
from backups.runners.local import LocalRunner
from backups.runners.sandbox import Sandbox
from backups.units import format_count

# A line of the log longer than this is cut into several.
LINE_BYTES = 1 << 16
# What a runner needs to recognise its own errors: the first and the last lines.
FIRST_LINES = 20
LAST_LINES = 20
READ_THE_LOG = "Read the job's log for earlier messages, and take the backup again."


class MariadbBackup:
    """Copies an instance of MariaDB with its own tool, on the instance's host."""

    name: ClassVar[str] = "mariadb_backup"
    stages: ClassVar[tuple[str, ...]] = (QUIET_TABLES, *STAGES)
    kinds: ClassVar[frozenset[str]] = BLOCK_KINDS | {PARTIAL}
    needs_host: ClassVar[bool] = True
    options: ClassVar[type[EngineOptions]] = MariadbOptions
    details: ClassVar[type[CopyDetails]] = MariadbDetails
    pacing: ClassVar[PaceProfile] = PaceProfile(
        race=RedoRace.OVERWRITTEN,
        race_read=REDO_COPY,
        race_until=REDO_COPY,
        redo_file="ib_logfile0",
        locked=frozenset({BACKUP_LOCK}),
    )

    @contextlib.contextmanager
    def copy(
        self, request: CopyRequest[MariadbOptions], observer: CopyObserver
    ) -> Iterator[CopyStream]:
        if request.options.optimistic:
            with optimistic_copy(request, observer) as copy:
                yield copy
            return
        with run_tool(request, observer) as copy:
            yield copy

    def check_restore(
        self, backup: CopyFacts, server: str, *, starts: bool, keys: HostKeys = NO_KEYS
    ) -> str:
        return check_restore(backup, starts=starts, keys=keys)

    def start_options(self, folder: Path, keys: HostKeys = NO_KEYS) -> Mapping[str, str]:
        return server_options(folder, keys)

    def prepare(
        self,
        folder: Path,
        watch: PrepareWatch,
        *,
        server: str,
        keys: HostKeys = NO_KEYS,
        memory_bytes: int | None = None,
    ) -> Prepared:
        return _prepare(folder, watch, keys, memory_bytes, is_part=is_partial(folder))

    def prepare_part(
        self, folder: Path, watch: PrepareWatch, *, server: str, keys: HostKeys = NO_KEYS
    ) -> None:
        # It passes over most of what is not there.
        _prepare(folder, watch, keys, None, is_part=True)

    def restored_server(
        self,
        folder: Path,
        *,
        server: str,
        on_wait: Callable[[], None],
        keys: HostKeys = NO_KEYS,
    ) -> PrivateServer:
        settings = ServerOptions(
            skip_grant_tables=True,
            confined=True,
            readable=readable_paths(keys),
            options=server_options(folder, keys, engines_here(folder, keys)),
        )
        return RestoredMariadb(folder, settings, on_wait=on_wait)


def _prepare(
    folder: Path,
    watch: PrepareWatch,
    keys: HostKeys,
    memory_bytes: int | None,
    *,
    is_part: bool,
) -> Prepared:
    """Prepare a copy; of a part of a server, files that belong to no table of it may be missing."""
    links = _remove_foreign(folder, watch)
    shaping = read_shaping(folder)
    proved = prove_keys(folder, shaping, keys, watch.check)
    marked = marked_tables(folder)
    remade = RemadeFiles(folder) if is_part else None
    exit_code, output = _run_prepare(folder, watch, keys, memory_bytes)
    while exit_code and remade is not None and remade.make_room(output):
        watch.log("mooring", "prepared again: a table that is not in the copy had its name changed")
        exit_code, output = _run_prepare(folder, watch, keys, memory_bytes)
    try:
        check_prepare(exit_code, output)
    except EngineError as exc:
        raise judge_failure(exc, output, shaping, keys, proved) from None
    for name in remade.remove() if remade is not None else ():
        watch.log("mooring", f"removed {name}: its table is not in the copy")
    return Prepared(
        detail=f"{format_count(links, 'table')} moved in from other folders" if links else "",
        unproved_keys=unproved_keys(shaping, keys, proved),
        marked_crashed=marked,
    )


def _run_prepare(
    folder: Path, watch: PrepareWatch, keys: HostKeys, memory_bytes: int | None
) -> tuple[int, str]:
    """Run the tool once; return its exit code and its log."""
    settings = {SETTINGS: prepare_settings(folder, keys)}
    argv = prepare_argv(str(folder), memory_bytes=memory_bytes)
    owner = folder.stat()
    sandbox = Sandbox((folder,), readable_paths(keys), (owner.st_uid, owner.st_gid))
    with (
        LocalRunner(sandbox).start(argv, secret_files=settings) as command,
        watch.ending_by(command.stop),
    ):
        watch.process_started(*command.process)
        output = _relay(command, watch, folder)
        exit_code = command.wait()
    watch.check()
    return exit_code, output


def _remove_foreign(folder: Path, watch: PrepareWatch) -> int:
    """Remove what a program would follow or read as options; return how many were links."""
    removed = remove_foreign(folder, kept=SETTINGS_FILE)
    links = [name for name in removed if name.endswith(".isl")]
    for name in sorted(set(removed) - set(links)):
        watch.log("mooring", f"removed {name}: no backup of MariaDB holds such a file", "warning")
    return len(links)


def _relay(command: RunningCommand, watch: PrepareWatch, folder: Path) -> str:
    """Log the tool's output line by line; return all of it.

    On a full disk it would repeat the same lines for ever, which is no evidence on the backup.
    """
    output: list[str] = []
    redo = RedoProgress(read_end_lsn(folder))
    watch.redo_applied(redo)
    with io.BufferedReader(cast(io.RawIOBase, command.stderr)) as source:
        for line in source:
            output.append(line.decode("utf-8", errors="replace").rstrip())
            watch.log(TOOL, output[-1])
            if redo.feed(output[-1], time.monotonic()):
                watch.redo_applied(redo)
            fail_if_disk_full(output[-1], folder)
    return "\n".join(output)
