"""Compares two backups table by table."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from backups.activity import record
from backups.catalog.compare import compare_copies
from backups.catalog.comparison import UNCHANGED, ComparedTable, Comparison
from backups.catalog.copies import named_copy
from backups.definitions.written import printable
from backups.exceptions import BadInput
from backups.management.different_rows import (
    add_difference_options,
    differences_answer,
    wanted_differences,
)
from backups.management.output import Answer, MooringCommand, table
from backups.models.activity import Verb
from backups.table_names.names import TableName, parse_table
from backups.units import format_bytes


class Command(MooringCommand):
    help = "Compare two backups by table: what was added, removed and changed, as far as known."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("earlier", metavar="LABEL")
        parser.add_argument("later", metavar="LABEL")
        parser.add_argument("--all", action="store_true", help="Show unchanged tables too.")
        add_difference_options(parser)

    def answer(self, options: dict[str, Any]) -> Answer:
        labels = options["earlier"], options["later"]
        if options["rows"]:
            wanted = wanted_differences(options)
            for copy in (wanted.before, wanted.after):
                record(Verb.VIEWED, copy.backup, details={"table": str(wanted.table)})
            return differences_answer(wanted, options)
        found = compare_copies(*map(named_copy, labels))
        if options["table"]:
            found = only_table(found, parse_table(options["table"]))
        shown = [
            each
            for each in found.tables
            if options["all"] or options["table"] or each.how != UNCHANGED
        ]
        return Answer(
            {
                "earlier": labels[0],
                "later": labels[1],
                "counts": found.counts,
                "tables": [_fields(each) for each in found.tables],
                "definitions": [
                    {"kind": each.kind, "name": each.name, "how": each.how, "diff": each.diff}
                    for each in found.definitions
                ],
                "unknown_because": found.unknown_because,
            },
            [*_tables_shown(shown), *_definitions_shown(found), *_ending(found)],
        )


def only_table(found: Comparison, name: TableName) -> Comparison:
    """Return of a comparison what is of one table; BadInput where neither backup has it."""
    tables = [each for each in found.tables if (each.schema, each.name) == (name.schema, name.name)]
    if not tables:
        raise BadInput(f"neither backup has the table {name}")
    return Comparison(tables, (), found.unknown_because)


def _fields(each: ComparedTable) -> dict[str, object]:
    return {
        "schema": each.schema,
        "name": each.name,
        "how": each.how,
        "definition": each.definition,
        "bytes_before": each.bytes_before,
        "bytes_after": each.bytes_after,
        "changed_blocks": each.changed_blocks,
        "changed_bytes": each.changed_bytes,
        "diff": each.diff,
    }


def _tables_shown(shown: list[ComparedTable]) -> list[RenderableType]:
    rows = [
        (
            each.how,
            each.full_name,
            each.definition,
            "unknown" if each.changed_blocks is None else f"{each.changed_blocks:,}",
            "unknown" if each.changed_bytes is None else format_bytes(each.changed_bytes),
            _size(each.bytes_before),
            _size(each.bytes_after),
        )
        for each in shown
    ]
    headings = ("how", "table", "definition", "blocks", "changed", "before", "after")
    parts: list[RenderableType] = [
        table(headings, rows, right="blocks,changed,before,after")
        if rows
        else "no definition and no stored block of a table differs"
    ]
    for each in shown:
        if each.diff:
            parts += ["", f"-- table {each.full_name}", *map(printable, each.diff)]
    return parts


def _definitions_shown(found: Comparison) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for each in found.definitions:
        parts += ["", f"-- {each.kind} {each.name}: {each.how}", *map(printable, each.diff)]
    return parts


def _ending(found: Comparison) -> list[RenderableType]:
    counted = ", ".join(f"{count} {how}" for how, count in found.counts.items() if count)
    return [
        "",
        f"tables: {counted or 'none'}",
        *(f"unknown: {why}" for why in found.unknown_because),
        "Blocks are compared as they are stored, before the redo log of a backup is applied.",
    ]


def _size(size: int | None) -> str:
    return "" if size is None else format_bytes(size)
