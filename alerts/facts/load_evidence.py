"""Which stored copies failed their newest check?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Exists, OuterRef

from alerts.facts.columns import Belongings, read_columns
from alerts.facts.run import EvidenceFacts
from backups.models import Evidence
from backups.states import CopyStatus


def build_evidence(now: datetime, belongings: Belongings) -> Iterator[EvidenceFacts]:
    """Yield stored copies whose newest verify or restore test failed."""
    later = Evidence.objects.filter(
        copy=OuterRef("copy"), operation=OuterRef("operation"), pk__gt=OuterRef("pk")
    )
    failed = (
        Evidence.objects.current()
        .filter(
            passed=False,
            copy__status=CopyStatus.STORED,
            copy__backup__instance__in=list(belongings),
        )
        .filter(~Exists(later))
    )
    rows = read_columns(
        failed.order_by("id"),
        "id", "operation", "created_at", "report", "job_id", "copy_id",
        "copy__backup__instance_id", "copy__backup__label", "copy__repository_id",
        "copy__repository__name",
    )  # fmt: skip
    for row in rows:
        pk = row["copy__backup__instance_id"]
        yield EvidenceFacts(
            now=now,
            subject=belongings[pk].subject(
                f"copy:{row['copy_id']}/{row['operation']}",
                pk,
                job_id=row["job_id"],
                repository_id=row["copy__repository_id"],
            ),
            evidence_id=row["id"],
            operation=row["operation"],
            label=row["copy__backup__label"],
            repository=row["copy__repository__name"],
            tested_at=row["created_at"],
            error=str(row["report"].get("error", "")),
        )
