"""How does a server start on a part of a clone, where most tablespaces are missing?

Crash recovery refuses to start if the redo log changes a tablespace that is not there: it might
have been lost. With ``innodb_force_recovery`` it applies what it can, and after an orderly
shutdown nothing is left to recover: the next start needs no such setting. That is right only for a
copy of which most is known to be missing.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from backups.archive.contained import create_contained, remove_contained
from backups.engines.base import PrepareWatch
from backups.engines.clone.restored import (
    POSITION_FILE,
    REPLACE_FILES,
    read_end_lsn,
    relay_line,
    restored_server,
)
from backups.engines.foreign_files import remove_foreign
from backups.exceptions import EngineError
from backups.programs.private_server import PrivateServer
from backups.programs.redo_progress import RedoProgress

# "Tablespace … was not found at …", for each that the redo log names, before it gives up.
MISSING = "MY-012179"
# 2 keeps the purge from running. With 1 the GTIDs of the last transactions were lost: the next
# start finds them in undo logs, and a server in this mode writes them to no table.
_GO_ON = {"innodb-force-recovery": "2"}


def prepare_part(
    folder: Path, watch: PrepareWatch, *, server: str, memory_bytes: int | None = None
) -> None:
    """Let a server recover what is there, and shut it down in order."""
    for name in remove_foreign(folder):
        watch.log("mooring", f"removed {name}: no clone contains such a file", "warning")
    recovering = _server(folder, watch, server, memory_bytes)
    try:
        _recover(recovering, watch)
    except EngineError:
        watch.check()
        if MISSING not in recovering.log_end:
            raise
        watch.log("mooring", "its redo log names tables that are not wanted: they are passed over")
        forced = _server(folder, watch, server, memory_bytes)
        forced.settings = replace(forced.settings, options={**forced.settings.options, **_GO_ON})
        _recover(forced, watch)


def ask_position_again(folder: Path) -> None:
    """Have the next start record the binlog position: one that gave up has recorded half of it."""
    with suppress(FileNotFoundError):
        remove_contained(folder, POSITION_FILE)
    with suppress(FileExistsError):
        # Empty, and for the user that the server runs as.
        create_contained(folder, REPLACE_FILES, b"", mode=0o644)


def _server(
    folder: Path, watch: PrepareWatch, server: str, memory_bytes: int | None
) -> PrivateServer:
    redo = RedoProgress(read_end_lsn(folder))
    watch.redo_applied(redo)
    relay = partial(_relay, watch, redo)
    return restored_server(
        folder, server=server, on_wait=watch.check, on_line=relay, memory_bytes=memory_bytes
    )


def _relay(watch: PrepareWatch, redo: RedoProgress, line: str) -> None:
    """Log a server's line, but those on each table that is missing: there may be a million."""
    if "[Warning]" in line or MISSING in line:
        watch.alive()
    else:
        relay_line(watch, redo, line)


def _recover(server: PrivateServer, watch: PrepareWatch) -> None:
    began = time.monotonic()
    try:
        with watch.ending_by(server.kill):
            server.start()
            watch.process_started(*server.process)
        server.log.relay()
        watch.check()
        server.shut_down()
    finally:
        server.stop()
    watch.log("mooring", f"recovered in {time.monotonic() - began:.1f} s")
