"""Rows of one table of a backup, for the command ``browsebackup``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.management.base import CommandParser
from rich.table import Table

from backups.catalog.copies import copy_to_read
from backups.definitions.written import printable
from backups.exceptions import BadInput
from backups.management.output import Answer, table
from backups.models import BackupCopy
from backups.opened_tables.open import open_tables
from backups.opened_tables.rows import (
    DEFAULT_ROWS,
    MOST_ROWS,
    RowChoice,
    TableRows,
    fetch_rows_shown,
    parse_condition,
)
from backups.opened_tables.timed_watch import TimedWatch
from backups.table_names.names import TableName, parse_table
from backups.units import format_bytes, format_count

DEFAULT_SECONDS = 1800


def add_row_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--rows", action="store_true", help="Show rows, from a private server on the table alone."
    )
    parser.add_argument(
        "--where-primary-key",
        action="append",
        default=[],
        metavar="CONDITION",
        help="Such as 'id >= 100', on a column of the primary key; several are all to hold.",
    )
    parser.add_argument("--descending", action="store_true", help="The last rows first.")
    parser.add_argument(
        "--limit", type=int, default=DEFAULT_ROWS, help=f"Rows, at most {MOST_ROWS}."
    )
    parser.add_argument("--mysqld", default="", metavar="PATH", help="The server program to start.")
    parser.add_argument(
        "--seconds",
        type=int,
        default=DEFAULT_SECONDS,
        help="How long opening the table may take, %(default)s by default.",
    )


@dataclass(frozen=True, slots=True)
class WantedRows:
    """Which rows of which table of which copy are to be shown."""

    copy: BackupCopy
    table: TableName
    choice: RowChoice


# Any: argparse decides what is in it.
def wanted_rows(label: str, options: Mapping[str, Any]) -> WantedRows:
    """Return what is requested; BadInput before anything is opened."""
    if not options["name"]:
        raise BadInput("rows are of one table", hint="Name it: SCHEMA.TABLE.")
    choice = RowChoice(
        [parse_condition(text) for text in options["where_primary_key"]],
        options["descending"],
        options["limit"],
    )
    table = parse_table(options["name"])
    return WantedRows(copy_to_read(label, options["repository"]), table, choice)


# Any: as above.
def rows_answer(wanted: WantedRows, options: Mapping[str, Any]) -> Answer:
    """Open the table, read the chosen rows and close it."""
    began, name = time.monotonic(), wanted.table
    watch = TimedWatch(options["seconds"])
    opening = open_tables(
        wanted.copy, [name], watch, server_program=options["mysqld"], read_only=True
    )
    with opening as opened:
        with opened.connect() as connection:
            found = fetch_rows_shown(connection, name, wanted.choice)
        took, read = time.monotonic() - began, opened.read.read_bytes
    fields = {
        "label": wanted.copy.backup.label,
        "table": str(name),
        "columns": [each.name for each in found.columns],
        "rows": found.rows,
        "more": found.more,
        "cut": found.cut,
        "seconds": round(took, 2),
        "read_bytes": read,
    }
    counted = (
        f"{format_count(len(found.rows), 'row')} after {took:.1f} s, {format_bytes(read)} read"
    )
    return Answer(fields, [drawn(found), "", counted + _rest(found)])


def drawn(found: TableRows) -> Table:
    """Return rows as a table for people."""
    rows = [["NULL" if value is None else value for value in row] for row in found.rows]
    return table([printable(each.name) for each in found.columns], rows)


def _rest(found: TableRows) -> str:
    if found.cut:
        return "; the rest is too long to be shown at once"
    return "; the table has more" if found.more else ""
