"""Rows of one table in two backups side by side, for the command ``comparebackups``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from backups.catalog.copies import copy_to_read
from backups.definitions.written import printable
from backups.exceptions import BadInput
from backups.management.browsed_rows import DEFAULT_SECONDS
from backups.management.output import Answer, table
from backups.models import BackupCopy
from backups.opened_tables.compared_rows import (
    DEFAULT_DIFFERENT,
    MOST_DIFFERENT,
    DifferentRow,
    RowDifferences,
    compare_rows,
    remember,
)
from backups.opened_tables.open import open_tables
from backups.opened_tables.timed_watch import TimedWatch
from backups.table_names.names import TableName, parse_table
from backups.units import format_bytes, format_count

# Of a difference, whether a value differs.
_CHANGED = "* "


def add_difference_options(parser: CommandParser) -> None:
    parser.add_argument("--table", default="", metavar="SCHEMA.TABLE", help="Only this table.")
    parser.add_argument(
        "--rows",
        action="store_true",
        help="Compare the rows of the table, from a private server on it of each backup.",
    )
    parser.add_argument(
        "--limit",
        type=int,
        default=DEFAULT_DIFFERENT,
        help=f"Rows to show of each kind of difference, at most {MOST_DIFFERENT}.",
    )
    parser.add_argument("--mysqld", default="", metavar="PATH", help="The server program to start.")
    parser.add_argument(
        "--seconds",
        type=int,
        default=DEFAULT_SECONDS,
        help="How long opening each table, and comparing them, may take; %(default)s by default.",
    )


@dataclass(frozen=True, slots=True)
class WantedDifferences:
    """Of which table of which two copies rows are to be compared."""

    before: BackupCopy
    after: BackupCopy
    table: TableName


# Any: argparse decides what is in it.
def wanted_differences(options: Mapping[str, Any]) -> WantedDifferences:
    """Return what is requested; BadInput before anything is opened."""
    if not options["table"]:
        raise BadInput("rows are of one table", hint="Name it: --table SCHEMA.TABLE.")
    if not 0 < options["limit"] <= MOST_DIFFERENT:
        raise BadInput(
            f"{options['limit']} rows cannot be shown", hint=f"At most {MOST_DIFFERENT} can."
        )
    copies = [copy_to_read(options[which]) for which in ("earlier", "later")]
    before, after = copies
    if before.backup.instance_id != after.backup.instance_id:
        raise BadInput("rows are compared between two backups of one instance")
    return WantedDifferences(before, after, parse_table(options["table"]))


# Any: as above.
def differences_answer(wanted: WantedDifferences, options: Mapping[str, Any]) -> Answer:
    """Open the table of both backups, compare its rows and close both."""
    before, after = (
        open_tables(
            copy,
            [wanted.table],
            TimedWatch(options["seconds"]),
            server_program=options["mysqld"],
            read_only=True,
        )
        for copy in (wanted.before, wanted.after)
    )
    with before as old, after as new:
        found = compare_rows(
            old.connect,
            new.connect,
            wanted.table,
            limit=options["limit"],
            seconds=options["seconds"],
        )
        read = old.read.read_bytes + new.read.read_bytes
    remember(found, wanted.before.backup, wanted.after.backup, wanted.table)
    fields = {
        "earlier": wanted.before.backup.label,
        "later": wanted.after.backup.label,
        "table": str(wanted.table),
        "key": found.key.names,
        "columns": found.columns,
        "columns_only_earlier": found.only_before,
        "columns_only_later": found.only_after,
        "counts": found.counts,
        "rows": [_fields(each, found) for each in found.rows],
        "ended_at_key": found.ended_at_key,
        "cut": found.cut,
        "read_bytes": read,
    }
    return Answer(fields, [*_shown(found), f"{format_bytes(read)} read"])


def _fields(row: DifferentRow, found: RowDifferences) -> dict[str, object]:
    return {
        "how": row.how,
        "earlier": row.before,
        "later": row.after,
        "changed": [found.columns[at] for at in sorted(row.changed)],
    }


def _shown(found: RowDifferences) -> list[RenderableType]:
    headings = ("", "in", *map(printable, found.columns))
    rows = [line for row in found.rows for line in _lines(row)]
    parts: list[RenderableType] = [table(headings, rows), ""] if rows else []
    counted = ", ".join(f"{count:,} {how}" for how, count in found.counts.items())
    parts.append(f"by the key ({', '.join(map(printable, found.key.names))}): {counted}")
    for names, which in ((found.only_before, "earlier"), (found.only_after, "later")):
        if names:
            parts.append(f"not compared, only in the {which}: {', '.join(map(printable, names))}")
    if found.cut or len(found.rows) < found.different:
        parts.append(f"{format_count(len(found.rows), 'row')} of {found.different:,} are shown")
    if found.ended_at_key is not None:
        parts.append(
            f"the time ended at the key {printable(found.ended_at_key)}: rows after it are unknown"
        )
    return parts


def _lines(row: DifferentRow) -> list[Sequence[str]]:
    """Return a line for each backup that has the row; a value that differs has a mark."""
    sides = (("earlier", row.before), ("later", row.after))
    return [
        (row.how, which, *(_marked(value, at in row.changed) for at, value in enumerate(values)))
        for which, values in sides
        if values is not None
    ]


def _marked(value: str | None, changed: bool) -> str:
    return (_CHANGED if changed else "") + ("NULL" if value is None else value)
