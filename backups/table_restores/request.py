"""How is it requested that tables of a backup are restored, and which requests are refused?"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backups.exceptions import BadInput
from backups.jobs.request import LONGEST_TARGET, create_copy_job
from backups.models import BackupCopy, Instance, Job
from backups.parameters import RestoreTableParameters
from backups.states import Operation
from backups.table_names.names import TableName, parse_table, quoted

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# All of them are named in one statement, and the job's page lists them.
MOST_TABLES = 100
# Of files, each table is flushed and copied by itself.
MOST_TABLES_OF_FILES = 1000


@dataclass(frozen=True, slots=True)
class WantedTables:
    """Which tables, and where to: one of the three places."""

    tables: Sequence[TableName]
    to_instance: Instance | None = None
    to_folder: Path | None = None
    sql_file: Path | None = None
    # Another name for the only table.
    new_name: TableName | None = None
    # Whether a table that is there is kept under another name, and makes room.
    replace: bool = False
    mysqld: str = ""


def create_table_restore_job(
    copy: BackupCopy,
    wanted: WantedTables,
    *,
    requested_by: User | None = None,
    wake: bool = True,
) -> Job:
    """Request it; BadInput where the request contradicts itself."""
    return create_copy_job(
        Operation.RESTORE_TABLE,
        copy,
        parameters=parameters_for(wanted),
        requested_by=requested_by,
        wake=wake,
    )


def parameters_for(wanted: WantedTables) -> RestoreTableParameters:
    """Return what the job is asked, or raise BadInput."""
    places = [wanted.to_instance, wanted.to_folder, wanted.sql_file]
    if sum(place is not None for place in places) != 1:
        raise BadInput("one of an instance, a folder and a file is needed to restore tables to")
    most = MOST_TABLES if wanted.to_folder is None else MOST_TABLES_OF_FILES
    if not 1 <= len(set(wanted.tables)) <= most:
        raise BadInput(
            f"between 1 and {most} tables can be restored at once, not {len(set(wanted.tables))}"
        )
    if wanted.new_name is not None and len(set(wanted.tables)) != 1:
        raise BadInput("another name can be given to a single table only")
    if wanted.new_name is not None and wanted.to_folder is not None:
        raise BadInput("files of a table keep its name")
    if wanted.replace and wanted.to_instance is None:
        raise BadInput("only a table of an instance can be replaced")
    for path in (wanted.to_folder, wanted.sql_file):
        if path is not None and not path.is_absolute():
            raise BadInput(f"{path} is not an absolute path")
        if path is not None and len(str(path)) > LONGEST_TARGET:
            raise BadInput(f"{path} is longer than {LONGEST_TARGET} characters")
    return RestoreTableParameters(
        tables="\n".join(_written(table) for table in dict.fromkeys(wanted.tables)),
        to_instance=wanted.to_instance.name if wanted.to_instance else None,
        to_folder=str(wanted.to_folder) if wanted.to_folder else None,
        sql_file=str(wanted.sql_file) if wanted.sql_file else None,
        new_name=_written(wanted.new_name) if wanted.new_name else None,
        replace=wanted.replace,
        mysqld=wanted.mysqld,
        token=secrets.token_hex(4),
    )


def tables_of(asked: RestoreTableParameters) -> list[TableName]:
    """Return the tables that a job restores."""
    return [parse_table(line) for line in asked.tables.split("\n")]


def new_names(asked: RestoreTableParameters) -> dict[TableName, TableName]:
    """Return the name that each table gets."""
    tables = tables_of(asked)
    if asked.new_name is not None:
        return {tables[0]: parse_table(asked.new_name)}
    return {table: table for table in tables}


def _written(table: TableName) -> str:
    return f"{quoted(table.schema)}.{quoted(table.name)}"
