"""Lists archived transactions around a moment, to find the one before which to stop."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from backups.binlog_archive.transactions.browse import (
    MOST_PIECES,
    Found,
    WantedTransactions,
    open_binlogs,
)
from backups.binlogs.index.words import what_it_did
from backups.binlogs.moments import parse_moment, to_micros
from backups.management.output import Answer, MooringCommand, table
from backups.management.rows import named_instance
from backups.management.transaction_words import (
    transaction_fields,
    written_moment,
)
from backups.units import format_bytes
from backups.wall_clock import zone

_NOT_BY_TABLE = "changes in format STATEMENT are not among these: no binlog names their tables"
_NOT_ALL = f"only {MOST_PIECES} pieces on each side were looked through: choose a nearer moment"
_COLUMNS = ("committed", "gtid", "file:position", "size", "what it did")


class Command(MooringCommand):
    help = "List an instance's archived transactions around a moment, or the newest."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance")
        parser.add_argument(
            "--around",
            metavar="MOMENT",
            help='With its zone, as in "2026-03-02 14:05:00 UTC". Without it: the newest.',
        )
        parser.add_argument(
            "--zone", default="", help="Show times in this zone, and read --around in it."
        )
        parser.add_argument("--table", default="", help="Only those that change it: SCHEMA.TABLE.")
        parser.add_argument("--ddl", action="store_true", help="Only DDL.")
        parser.add_argument("--min-bytes", type=int, default=0, help="Only those as large.")
        parser.add_argument(
            "--count", type=int, default=20, help="As many before the moment, and after it."
        )

    def answer(self, options: dict[str, Any]) -> Answer:
        instance = named_instance(options["instance"])
        where = zone(options["zone"] or "UTC")
        around = options["around"]
        moment = parse_moment(around, options["zone"]) if around else None
        wanted = WantedTransactions(options["table"], options["ddl"], options["min_bytes"])
        count = max(options["count"], 1)
        binlogs = open_binlogs(instance)
        found, before = binlogs.around(to_micros(moment) if moment else None, wanted, count)
        incomplete = binlogs.incomplete
        stop = binlogs.first_later_than(to_micros(moment)) if moment else None
        rows = [
            (
                written_moment(each.transaction.commit_micros, where),
                each.transaction.gtid or "anonymous",
                each.place,
                format_bytes(each.transaction.bytes),
                what_it_did(each.transaction),
            )
            for each in found
        ]
        if moment is not None:
            rows.insert(before, (written_moment(to_micros(moment), where), "", "", "", "--------"))
        return Answer(
            {
                "instance": instance.name,
                "around": moment,
                "before": before,
                "stop_before": _name(stop) if stop else None,
                "incomplete": incomplete,
                "transactions": [transaction_fields(each) for each in found],
            },
            [
                f"times are {where.key}, by the clock of the server",
                table(_COLUMNS, rows, right="size") if found else "no such transaction is archived",
                *_stop_words(stop, moment is not None),
                *([_NOT_ALL] if incomplete else []),
                *([_NOT_BY_TABLE] if options["table"] else []),
            ],
        )


def _name(found: Found) -> str:
    return found.transaction.gtid or found.place


def _stop_words(stop: Found | None, asked: bool) -> list[str]:
    if not asked:
        return []
    if stop is None:
        return ["nothing later is archived"]
    return [f"the state at that moment is the one before {_name(stop)}"]
