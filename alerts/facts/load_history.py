"""What are the newest backups of each instance, and the figures of the earlier ones?

For any length of history, only the newest of each instance and kind are read, by index.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from django.db import connection
from django.db.models import F, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce

from alerts.facts.instance import PastBackup
from backups.models import Backup, Instance
from backups.norms import DEPTH, Norm, measure_norm
from backups.states import BackupKind

# Kinds that recur and can be compared with one another.
COMPARED = (BackupKind.FULL, BackupKind.INCREMENTAL, BackupKind.DIFFERENTIAL)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = ("id", "label", "started_at", "ended_at", "raw_bytes", "lock_time", "made_by_id")
# Only this makes PostgreSQL read the newest of each instance, and not all backups.
_LATERAL = """
    SELECT instance.id, newest.* FROM backups_instance instance CROSS JOIN LATERAL (
        SELECT {columns} FROM backups_backup
        WHERE instance_id = instance.id AND kind = %s ORDER BY ended_at DESC, id DESC LIMIT %s
    ) newest
    WHERE instance.id = ANY(%s) ORDER BY instance.id, newest.ended_at DESC, newest.id DESC
""".format(columns=", ".join(_COLUMNS))  # noqa: S608 (the names are the constants above)


@dataclass(slots=True)
class Past:
    """The newest backup of an instance and kind, and the figures of all that were read."""

    newest: PastBackup
    ids: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def usual_bytes(self) -> Norm | None:
        """Return the norm before the newest. Observed backups may lack a size."""
        return measure_norm([size for size in islice(self.sizes, 1, DEPTH + 1) if size])

    def usual_seconds(self) -> Norm | None:
        return measure_norm(self.seconds[1 : DEPTH + 1])

    def expected_seconds(self) -> Norm | None:
        """Return the norm including the newest: the expectation for the next one."""
        return measure_norm(self.seconds[:DEPTH])


History = Mapping[tuple[int, str], Past]


def load_history(ids: Sequence[int]) -> History:
    """Read the newest backups of each instance and kind."""
    read = _read_lateral if connection.vendor == "postgresql" else _read_since
    history: dict[tuple[int, str], Past] = {}
    for kind in COMPARED:
        for pk, *columns in read(ids, kind):
            past = history.get((pk, kind.value))
            if past is None:
                past = history[pk, kind.value] = Past(PastBackup(*columns))
            past.ids.append(columns[0])
            past.sizes.append(columns[4])
            past.seconds.append((columns[3] - columns[2]).total_seconds())
    return history


# Any: the columns have as many types as PastBackup has fields.
def _read_lateral(ids: Sequence[int], kind: BackupKind) -> Iterator[Any]:
    with connection.cursor() as cursor:
        cursor.execute(_LATERAL, [kind.value, DEPTH + 1, list(ids)])
        yield from cursor.fetchall()


def _read_since(ids: Sequence[int], kind: BackupKind) -> Iterator[Any]:
    # The time since which an instance has DEPTH + 1 of them: found and read by index.
    same = Backup.objects.filter(instance=OuterRef("pk"), kind=kind).order_by("-ended_at")
    since = Subquery(same.values("ended_at")[DEPTH : DEPTH + 1])
    rows = Instance.objects.filter(pk__in=ids).alias(since=Coalesce(since, Value(_LONG_AGO)))
    newest = rows.filter(backups__kind=kind, backups__ended_at__gte=F("since"))
    columns = [f"backups__{name.removesuffix('_id')}" for name in _COLUMNS]
    ordered = newest.order_by("id", "-backups__ended_at", "-backups__id")
    yield from ordered.values_list("id", *columns)
