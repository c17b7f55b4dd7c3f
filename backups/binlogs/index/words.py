"""What did a transaction do, in a line?"""

from __future__ import annotations

from backups.binlogs.index.read import ChangedTable, IndexedTransaction

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
