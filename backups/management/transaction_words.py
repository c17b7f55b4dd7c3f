"""How are archived transactions shown on the command line?"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from backups.binlog_archive.browse import Found
from backups.binlogs.index.read import ChangedTable, IndexedTransaction
from backups.binlogs.moments import from_micros

# So many tables of a transaction are named.
_MOST_TABLES = 3


def what_it_did(transaction: IndexedTransaction) -> str:
    """Say in a line what a transaction did: its DDL, or its tables with their row events."""
    named = [_table_words(each) for each in transaction.tables[:_MOST_TABLES]]
    more = len(transaction.tables) - len(named)
    words = [*([transaction.statement] if transaction.statement else []), *named]
    return "; ".join([*words, *([f"{more} more tables"] if more > 0 else [])]) or "nothing"


def _table_words(table: ChangedTable) -> str:
    counts = [
        f"{count} {kind}"
        for count, kind in (
            (table.inserts, "insert"),
            (table.updates, "update"),
            (table.deletes, "delete"),
        )
        if count
    ]
    return f"{table.name} ({', '.join(counts)})"


def written_moment(micros: int, zone: ZoneInfo) -> str:
    """Return a commit's moment; MariaDB's have no parts of a second."""
    moment = from_micros(micros).astimezone(zone)
    return f"{moment:%Y-%m-%d %H:%M:%S}" + (f".{moment:%f}" if moment.microsecond else "")


def transaction_fields(found: Found) -> dict[str, object]:
    """Return a transaction for JSON."""
    transaction = found.transaction
    moment: datetime = from_micros(transaction.commit_micros)
    return {
        "gtid": transaction.gtid,
        "committed_at": moment,
        "file": found.piece.file,
        "start": transaction.start,
        "end": transaction.end,
        "bytes": transaction.bytes,
        "ddl": transaction.ddl,
        "statement": transaction.statement,
        "tables": [
            {
                "name": each.name,
                "insert_events": each.inserts,
                "update_events": each.updates,
                "delete_events": each.deletes,
                "bytes": each.bytes,
            }
            for each in transaction.tables
        ],
        "timeline": found.piece.timeline.pk,
    }
