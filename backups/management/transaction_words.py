"""How are archived transactions shown on the command line?"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from backups.binlog_archive.transactions.browse import Found
from backups.binlogs.moments import from_micros


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
