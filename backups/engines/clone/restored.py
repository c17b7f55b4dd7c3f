"""How is a clone made into a MySQL server that runs?

A clone is like a server after a power failure: crash recovery completes it. That first start is
done privately, without the clone plugin, which would delete the file in which the server then
records the binlog position of the copy.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from backups.archive.contained import open_contained, read_contained
from backups.checks import Verdict
from backups.clone_protocol import DonorFacts
from backups.engines.base import CopyFacts, Prepared, PrepareWatch
from backups.engines.clone.donor import DonorSettings, folds_case
from backups.engines.clone.dropping import drop_left_out
from backups.engines.clone.keyring import keyring_of
from backups.engines.clone.loading import load_tables
from backups.engines.clone.mapping import Figures
from backups.engines.clone.saved_files import SavedTable, parse_saved_tables
from backups.engines.foreign_files import remove_foreign
from backups.exceptions import BadInput, EngineError, Refused
from backups.innodb.redo import end_lsn
from backups.programs.compatibility import can_start_mysql_on, parse_version
from backups.programs.keyring_program import check_keyring_component
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.programs.redo_progress import RedoProgress
from backups.programs.server_program import find_mysqld, mysql_program
from backups.programs.server_session import session
from backups.table_names.choice import TableChoice, read_choice

# In schema mysql, whose folder then exists, as a server requires.
DONOR_FILE = "mysql/mooring-donor.json"
POSITION_FILE = "#clone/#status_recovery"
# Empty: makes a start write the position.
REPLACE_FILES = "#clone/#replace_files"
_SIZE = r"\d{1,15}[KMGkmg]?"
_DATA_FILE = rf"[\w.$-]+:{_SIZE}(?::autoextend(?::max:{_SIZE})?)?"
# These shape the files, and what each may be: a server with other values refuses the files.
SHAPING = {
    "innodb_page_size": r"\d{4,5}",
    "innodb_data_file_path": rf"{_DATA_FILE}(?:;{_DATA_FILE})*",
    "lower_case_table_names": r"[012]",
}
# A million listed tables take less.
MOST_DONOR_BYTES = 1 << 28
# Keep logs encrypted: without these options a server writes its logs in the clear.
ENCRYPTING = ("innodb_redo_log_encrypt", "innodb_undo_log_encrypt")
FORMAT = 1
# A clone has these tables' definitions and none of their rows. The server's own schemas exist on
# every server.
NOT_CLONED = """
    SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES
    WHERE TABLE_TYPE = 'BASE TABLE' AND COALESCE(ENGINE, '') <> 'InnoDB'
      AND TABLE_SCHEMA NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema')
"""


def describe_donor(
    donor: DonorFacts,
    settings: DonorSettings,
    figures: Figures,
    gtids_before: str,
    saved_tables: Sequence[SavedTable] = (),
    choice: TableChoice | None = None,
) -> bytes:
    """Return the content of the file that describes the donor to a restore."""
    described = {
        "format": FORMAT,
        "version": donor.server_version,
        "configuration": dict(donor.configuration),
        "collations": list(donor.collations),
        "plugins": list(settings.plugins),
        "components": settings.components,
        "variables": dict(settings.variables),
        "persisted_variables": settings.persisted,
        # Not in the backup, unless saved: a clone holds InnoDB only.
        "foreign_tables": settings.foreign_tables,
        "saved_tables": [table.as_json() for table in saved_tables],
        # What a partial backup has, as patterns; null: all of the donor.
        "tables": None if choice is None else choice.write(),
        "external_files": figures.external_files,
        "gtid_executed_before": gtids_before,
    }
    return json.dumps(described, indent=1, ensure_ascii=False, default=str).encode()


def check_restore(backup: CopyFacts, server: str) -> str:
    """Return which server will be started on the files, or raise Refused."""
    path, version = find_mysqld(server)
    taken_of = parse_version(backup.server_version)
    if taken_of is None:
        raise Refused(f"the backup has no valid server version: {backup.server_version!r}")
    ruling = can_start_mysql_on(version, taken_of)
    if ruling.verdict is Verdict.FAILED:
        raise Refused(f"{path}: {ruling.reason}", hint=ruling.hint)
    if backup.details.keyring_file:
        check_keyring_component(mysql_program(path, version))
    return f"{path}: {ruling.reason}"


def prepare(
    folder: Path, watch: PrepareWatch, *, server: str, memory_bytes: int | None = None
) -> Prepared:
    """Let a server recover the copy once, and read its binlog position."""
    for name in remove_foreign(folder):
        watch.log("mooring", f"removed {name}: no clone contains such a file", "warning")
    redo = RedoProgress(read_end_lsn(folder))
    watch.redo_applied(redo)
    relay = partial(relay_line, watch, redo)
    recovering = restored_server(
        folder, server=server, on_wait=watch.check, on_line=relay, memory_bytes=memory_bytes
    )
    with recovering as running:
        watch.process_started(*running.process)
        with watch.ending_by(running.kill):
            gtids = _executed(running)
            sources = _sources(running)
            donor = read_donor(folder)
            saved = parse_saved_tables(donor.get("saved_tables", []))
            choice = read_donor_choice(donor)
            removed, lost = "", tuple[str, ...]()
            if choice:
                removed, lost = drop_left_out(running, choice, watch, fold=_folds(donor))
            empty = left_out(running, saved)
            loaded = load_tables(running, folder, saved, watch) if saved else 0
        running.log.relay()
        watch.check()
        # It must end in order: the next start must have nothing left to recover.
        running.shut_down()
    try:
        text = (folder / POSITION_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError as exc:
        raise EngineError(
            f"the server recovered the copy without recording its position: {exc.strerror}"
        ) from None
    prepared = replace(
        parse_position(text, gtids), left_out=empty, replica_of=sources, started=True, lost=lost
    )
    in_words = f"{loaded} of {len(saved)} tables loaded" if saved else ""
    return replace(prepared, detail=", ".join(filter(None, (prepared.detail, removed, in_words))))


def relay_line(watch: PrepareWatch, redo: RedoProgress, line: str) -> None:
    """Log a server's line; its many notes only count as progress."""
    if redo.feed(line, time.monotonic()):
        watch.redo_applied(redo)
    elif "[Note]" in line:
        watch.alive()
    else:
        watch.log("mysqld", line)


def read_end_lsn(folder: Path) -> int | None:
    """Return the LSN at which the redo log of a restored copy ends; None if that is unknown."""
    ends = []
    with suppress(OSError):
        for path in (*folder.glob("ib_logfile[0-9]*"), *folder.glob("#innodb_redo/#ib_redo[0-9]*")):
            descriptor = open_contained(folder, path.relative_to(folder).as_posix())
            try:
                ends.append(end_lsn(descriptor))
            finally:
                os.close(descriptor)
    return max((end for end in ends if end is not None), default=None)


def left_out(server: PrivateServer, saved: Sequence[SavedTable]) -> frozenset[tuple[str, str]]:
    """Return the tables that are only in the data dictionary of the copy.

    Read from the recovered server: the account of the backup may not have seen them all.
    """
    with session(server) as connection, connection.cursor() as cursor:
        cursor.execute(NOT_CLONED)
        foreign = {(str(schema), str(name)) for schema, name in cursor.fetchall()}
    return frozenset(foreign - {(table.schema, table.name) for table in saved})


def _executed(server: PrivateServer) -> str:
    with session(server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.gtid_executed")
        row = cursor.fetchone()
    return str(row[0] or "") if row else ""


def _sources(server: PrivateServer) -> tuple[str, ...]:
    """Return what the copy's server replicated from; its channels are in the copy."""
    with session(server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT Host, Port FROM mysql.slave_master_info WHERE Host <> ''")
        return tuple(sorted(f"{host}:{port}" for host, port in cursor.fetchall()))


def parse_position(text: str, gtids: str) -> Prepared:
    """Parse the file: start, end, binlog file, position, then the GTID set in lines."""
    lines = text.splitlines()
    if len(lines) < 4 or not lines[3].isdigit():
        raise EngineError(f"{POSITION_FILE} has an unknown format: {text[:200]!r}")
    file, position = lines[2].strip().removeprefix("./"), int(lines[3])
    # The server's own set is the one it would send to a source.
    executed = "".join(gtids.split()) or "".join("".join(lines[4:]).split())
    binlog = f"binlog {file}:{position}" if file else "no binlog"
    return Prepared(
        detail=f"recovered, {binlog}{f', GTID {executed}' if executed else ''}",
        binlog_file=file,
        binlog_position=position if file else None,
        gtid_executed=executed,
    )


def restored_server(
    folder: Path,
    *,
    server: str,
    on_wait: Callable[[], None],
    on_line: Callable[[str], None] = lambda line: None,
    memory_bytes: int | None = None,
) -> PrivateServer:
    """Return a server for a copy, not started yet."""
    path, version = find_mysqld(server)
    keyring = keyring_of(folder)
    settings = ServerOptions(
        skip_grant_tables=True,
        confined=True,
        program=replace(mysql_program(path, version), keyring=keyring),
        # Saved rows are loaded by statements that may be as long as any row.
        options={
            **server_options(read_donor(folder), encrypted=keyring is not None),
            "max-allowed-packet": "1G",
            # Notes too: without them crash recovery logs nothing until it ends.
            "log-error-verbosity": "3",
            **({"innodb-buffer-pool-size": str(memory_bytes)} if memory_bytes else {}),
        },
    )
    return PrivateServer(folder, settings, on_wait=on_wait, on_line=on_line)


def read_donor(folder: Path) -> Mapping[str, Any]:
    """Return the description of the donor in the copy. Any: it is JSON."""
    path = folder / DONOR_FILE
    try:
        described = json.loads(read_contained(folder, DONOR_FILE, most_bytes=MOST_DONOR_BYTES))
    except OSError as exc:
        raise EngineError(f"{path} cannot be read: {exc.strerror}") from None
    except (ValueError, RecursionError):
        raise EngineError(f"{path} cannot be read: it is not JSON that Mooring wrote") from None
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        raise EngineError(f"{folder / DONOR_FILE} has a format unknown to this version")
    return described


def read_donor_choice(donor: Mapping[str, Any]) -> TableChoice | None:
    """Return what a partial backup has, from the description of its donor; None: it is whole."""
    stored = donor.get("tables")
    try:
        if stored is None or isinstance(stored, dict):
            return read_choice(stored or {})
    except BadInput as exc:
        raise EngineError(f"{DONOR_FILE}: {exc}") from None
    raise EngineError(f"{DONOR_FILE} says of its tables what no backup writes")


def _folds(donor: Mapping[str, Any]) -> bool:
    variables = donor.get("variables")
    return isinstance(variables, dict) and folds_case(variables)


def server_options(donor: Mapping[str, Any], *, encrypted: bool = False) -> dict[str, str]:
    """Return the options a server needs to start on such a copy, as on its command line.

    ``encrypted``: whether it has a keyring, so that it can keep encrypting its logs.
    """
    variables = donor.get("variables")
    if not isinstance(variables, dict):
        raise EngineError(f"{DONOR_FILE} has no settings of the donor")
    options = {name: str(variables[name]) for name in SHAPING if variables.get(name)}
    if (files := options.get("innodb_data_file_path")) is not None:
        options["innodb_data_file_path"] = without_folders(files)
    for name, value in options.items():
        if not re.fullmatch(SHAPING[name], value, flags=re.ASCII):
            raise EngineError(f"no server can be started with {name} = {value[:100]!r}")
    if encrypted:
        options |= {name: "ON" for name in ENCRYPTING if variables.get(name) == "ON"}
    return {name.replace("_", "-"): value for name, value in options.items()}


def without_folders(data_file_path: str) -> str:
    """Return an ``innodb_data_file_path`` for a copy, whose files are all in one folder."""
    files = [entry.partition(":") for entry in data_file_path.split(";")]
    names = [path.rpartition("/")[2] for path, _, _ in files]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise EngineError(
            f"the system tablespace has several files named {', '.join(twice)}, "
            f"and a copy has a single folder for them: {data_file_path}",
            hint="Give them different names in innodb_data_file_path.",
        )
    return ";".join(
        f"{name}{colon}{size}" for name, (_, colon, size) in zip(names, files, strict=True)
    )
