"""The steps from a stored backup to a private server that has a few of its tables.

Only the frames that hold bytes of the wanted files are read. The server is reachable by its socket
alone, is confined to its folders, runs no event and no replication, and asks for no login.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.conf import settings
from pymysql.connections import Connection

from backups.archive.extract import extract
from backups.archive.link_reads import UNWATCHED, ChainWatch, LinkRead
from backups.archive.meter import Meter
from backups.archive.reader import BackupReader
from backups.catalog.copies import open_chain
from backups.catalog.definitions import read_definitions
from backups.definitions.document import Definitions
from backups.engines import CloneEngine, engine_named
from backups.engines.base import PrepareWatch
from backups.exceptions import BadInput, Refused
from backups.models import BackupCopy
from backups.opened_tables.part import Part, choose_part
from backups.opened_tables.work_folder import work_folder
from backups.programs.private_server import PrivateServer
from backups.restores.host_keys import host_keys
from backups.restores.run_user import change_owner, find_run_user, give_folder
from backups.restores.target import check_room, check_server
from backups.table_names.choice import read_choice
from backups.table_names.names import TableName

# Of the server; a MariaDB refuses to write even for who may do anything only by the second.
_READ_ONLY = {True: "super-read-only", False: "innodb-read-only"}


@dataclass(frozen=True, slots=True)
class FoundPart:
    """The opened copies of a backup and of all that it needs, and what is wanted of them."""

    copy: BackupCopy
    chain: Sequence[BackupReader]
    definitions: Definitions | None
    part: Part


@dataclass(slots=True)
class ReadCount:
    """How much of the stored backups was read, of how much there is."""

    inner: ChainWatch = UNWATCHED
    stored_bytes: int = 0
    read_bytes: int = 0
    links: list[LinkRead] = field(default_factory=list)

    def link_began(self, number: int) -> None:
        self.inner.link_began(number)

    def link_ended(self, number: int, read: LinkRead) -> None:
        self.inner.link_ended(number, read)
        self.links.append(read)
        self.stored_bytes += read.stored_bytes
        self.read_bytes += read.read_bytes


@dataclass(frozen=True, slots=True)
class OpenedTables:
    """A running private server with the wanted tables, and what it took to get there."""

    server: PrivateServer
    found: FoundPart
    # The data folder of the server.
    folder: Path
    read: ReadCount

    # Any: cursors of every kind.
    def connect(self, database: str | None = None) -> Connection[Any]:
        """Return a connection that may do anything that the server may."""
        return self.server.connect(database=database)


@contextmanager
def open_tables(
    copy: BackupCopy,
    tables: Sequence[TableName],
    watch: PrepareWatch,
    *,
    server_program: str = "",
    read_only: bool = False,
    meter: Meter | None = None,
) -> Iterator[OpenedTables]:
    """Open tables of a backup; leaving the context leaves no process and no file behind.

    BadInput where the backup has no such table; Refused where no program of this host fits, or
    the scratch folder has no space; MooringError where the copy cannot be read, or no server
    starts on it. What ``watch.check`` raises ends it at any time.
    """
    found = find_part(copy, tables)
    server_program = server_program or settings.MYSQLD
    check_server(copy, server_program, starts=True)
    with work_folder() as folder:
        check_room(folder, found.part.bytes)
        data = folder / "data"
        data.mkdir(mode=0o700)
        read = extract_part(found, data, watch, meter or Meter())
        prepare_part(found, data, watch, server_program)
        server = part_server(found, data, watch, server_program, read_only=read_only)
        try:
            with watch.ending_by(server.kill):
                server.start()
                watch.process_started(*server.process)
                yield OpenedTables(server, found, data, read)
        finally:
            server.stop()


def find_part(copy: BackupCopy, tables: Sequence[TableName]) -> FoundPart:
    """Open a copy and all that it needs, and find the tables in it."""
    _refuse_unchosen(copy, tables)
    chain = open_chain(copy)
    definitions = read_definitions(chain)
    part = choose_part(chain[-1].manifest.contents.files, definitions, tables)
    return FoundPart(copy, chain, definitions, part)


def _refuse_unchosen(copy: BackupCopy, tables: Sequence[TableName]) -> None:
    """Raise BadInput for a table that was not chosen: its definition alone is in the backup."""
    choice = read_choice(copy.backup.choice)
    # Names that differ in case only are looked for: some servers do not tell them apart.
    others = [
        str(table)
        for table in tables
        if choice is not None and not choice.chooses(table.schema, table.name, fold=True)
    ]
    if others:
        raise BadInput(
            f"{', '.join(others)} is not in {copy.backup.label}: a partial backup of {choice}",
            hint="Choose a backup that has the table.",
        )


def extract_part(
    found: FoundPart,
    data: Path,
    watch: PrepareWatch,
    meter: Meter,
    links: ChainWatch = UNWATCHED,
) -> ReadCount:
    """Write the needed files into an existing empty folder; return what was read.

    Refused where the disk takes no more of them.
    """
    count = ReadCount(links)
    try:
        extract(
            found.chain,
            data,
            threads=settings.COPY_THREADS,
            check=watch.check,
            meter=meter,
            wanted=found.part.paths.__contains__,
            watch=count,
        )
    except OSError as exc:
        raise Refused(
            f"{exc.filename or data} cannot be written: {exc.strerror}",
            hint=f"Make room below {settings.SCRATCH_FOLDER}, or set MOORING_SCRATCH.",
        ) from exc
    return count


def prepare_part(found: FoundPart, data: Path, watch: PrepareWatch, server_program: str) -> None:
    """Apply the redo log to what there is, as the user that programs run as."""
    user, why_not = find_run_user(settings.RUN_USER, data.parent)
    if why_not:
        watch.log("prepare", why_not, "warning")
    if user is not None:
        change_owner(data, *user)
        give_folder(data, *user)
    engine = engine_named(found.copy.backup.engine)
    engine.prepare_part(data, watch, server=server_program, keys=host_keys())


def part_server(
    found: FoundPart,
    data: Path,
    watch: PrepareWatch,
    server_program: str,
    *,
    read_only: bool = False,
) -> PrivateServer:
    """Return a server for a prepared part, not started yet."""
    name = found.copy.backup.engine
    server = engine_named(name).restored_server(
        data, server=server_program, on_wait=watch.check, keys=host_keys()
    )
    if read_only:
        options = {**server.settings.options, _READ_ONLY[name == CloneEngine.name]: "ON"}
        server.settings = replace(server.settings, options=options)
    return server
