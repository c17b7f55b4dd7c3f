"""Which stored copies failed their newest check, and which recoveries to a moment failed?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Exists, OuterRef

from alerts.facts.columns import Belongings, read_columns
from alerts.facts.run import BrokenEvidenceFacts, DrillFacts, EvidenceFacts
from backups.models import Drill, Evidence, EvidenceChain
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


def build_drills(now: datetime, belongings: Belongings) -> Iterator[DrillFacts]:
    """Yield the instances whose newest drill failed, while their binlogs are archived."""
    newer = Drill.objects.filter(instance=OuterRef("instance"), pk__gt=OuterRef("pk"))
    failed = Drill.objects.filter(
        ~Exists(newer),
        passed=False,
        instance__in=list(belongings),
        instance__binlog_archive__enabled=True,
    )
    passed = Evidence.objects.filter(job=OuterRef("job"), passed=True)
    rows = read_columns(
        failed.annotate(backup_passed=Exists(passed)).order_by("id"),
        "id", "instance_id", "copy__backup__label", "moment", "failed_stage", "error",
        "created_at", "job_id", "backup_passed",
    )  # fmt: skip
    for row in rows:
        pk = row["instance_id"]
        yield DrillFacts(
            now=now,
            subject=belongings[pk].subject(
                f"instance:{pk}/drill",
                pk,
                name=f"{belongings[pk].name}, recovery to a moment",
                job_id=row["job_id"],
            ),
            drill_id=row["id"],
            label=row["copy__backup__label"],
            moment=row["moment"],
            failed_stage=row["failed_stage"],
            error=row["error"],
            drilled_at=row["created_at"],
            backup_passed=row["backup_passed"],
        )


def build_broken_evidence(now: datetime, belongings: Belongings) -> Iterator[BrokenEvidenceFacts]:
    """Yield the instances whose chain of evidence did not verify."""
    broken = EvidenceChain.objects.filter(instance__in=list(belongings)).exclude(fault="")
    rows = read_columns(broken.order_by("instance"), "instance_id", "fault", "faulty_since")
    for row in rows:
        pk = row["instance_id"]
        yield BrokenEvidenceFacts(
            now=now,
            subject=belongings[pk].subject(
                f"instance:{pk}/evidence", pk, name=f"{belongings[pk].name}, evidence"
            ),
            fault=row["fault"],
            since=row["faulty_since"],
        )
