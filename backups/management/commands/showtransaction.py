"""Shows what an archived transaction did, row by row; values only where they are requested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.core.management.base import CommandParser

from backups.activity import record
from backups.binlog_archive.transactions.browse import open_binlogs
from backups.binlogs.events.changes import Change, StatementChange
from backups.binlogs.index.statements import kept_statement
from backups.binlogs.undo.show import shown_row
from backups.management.output import Answer, MooringCommand, table
from backups.management.rows import named_instance
from backups.management.transaction_words import transaction_fields, written_moment
from backups.models.activity import Verb
from backups.units import format_bytes, format_count
from backups.wall_clock import zone


class Command(MooringCommand):
    help = "Show what an archived transaction did: statements, and rows by table."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance")
        parser.add_argument("transaction", help="Its GTID, or FILE:POSITION where it begins.")
        parser.add_argument(
            "--values", action="store_true", help="Show the rows' values, and statements whole."
        )
        parser.add_argument("--rows", type=int, default=100, help="Show at most so many rows.")

    def answer(self, options: dict[str, Any]) -> Answer:
        instance = named_instance(options["instance"])
        binlogs = open_binlogs(instance)
        found = binlogs.named(options["transaction"])
        transaction, values = found.transaction, options["values"]
        if values:
            record(Verb.VIEWED, instance, details={"transaction": found.name})
        counts: Counter[tuple[str, str]] = Counter()
        shown = list(islice(_shown(binlogs.changes(found), values, counts), options["rows"] + 1))
        more = len(shown) > options["rows"]
        # All are counted, whatever is shown.
        if not values or more:
            counts.clear()
            for _ in _shown(binlogs.changes(found), False, counts):
                pass
        facts = [
            ("committed", f"{written_moment(transaction.commit_micros, zone('UTC'))} UTC"),
            ("file:position", f"{found.place} to {transaction.end}"),
            ("size", format_bytes(transaction.bytes)),
            *(
                (f"{name}", f"{kind} of {format_count(n, 'row')}")
                for (name, kind), n in counts.items()
            ),
        ]
        rows = shown[: options["rows"]]
        return Answer(
            {
                **transaction_fields(found),
                "rows": [
                    {"table": name, "kind": kind, "count": n} for (name, kind), n in counts.items()
                ],
                "changes": rows,
                "more": more,
            },
            [table(("", ""), facts), *rows, *(["more rows are not shown"] if more else [])],
        )


def _shown(
    changes: Iterator[Change], values: bool, counts: Counter[tuple[str, str]]
) -> Iterator[str]:
    """Yield a line per statement, and per row where values are shown; count the rows."""
    for change in changes:
        if isinstance(change, StatementChange):
            yield change.text if values else kept_statement(change.text.encode())
        else:
            counts[change.table.name, change.row.kind.value] += 1
            if values:
                yield shown_row(change)
