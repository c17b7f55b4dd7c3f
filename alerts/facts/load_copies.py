"""Where do instances lack copies that their backups were to have? One query."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from alerts.facts.columns import Belongings, Columns, read_columns
from alerts.facts.run import MissingCopyFacts
from backups.models import WantedCopy


def build_missing_copies(now: datetime, belongings: Belongings) -> Iterator[MissingCopyFacts]:
    """Yield for each instance and repository what is missing there."""
    wanted = WantedCopy.objects.still_wanted().filter(backup__instance__in=list(belongings))
    rows = read_columns(
        wanted.order_by("backup__ended_at", "id"),
        "id", "backup__instance_id", "backup__label", "repository_id", "repository__name",
        "wanted_at", "failed_at", "error", "hint", "job_id",
    )  # fmt: skip
    groups: dict[tuple[int, int], list[Columns]] = {}
    for row in rows:
        groups.setdefault((row["backup__instance_id"], row["repository_id"]), []).append(row)
    for (pk, repository), group in groups.items():
        failed = [row for row in group if row["error"]]
        newest = max(failed, key=lambda row: row["failed_at"]) if failed else group[-1]
        yield MissingCopyFacts(
            now=now,
            subject=belongings[pk].subject(
                f"instance:{pk}/copies-in-{repository}",
                pk,
                name=f"{belongings[pk].name}, copies in {newest['repository__name']}",
                job_id=newest["job_id"],
                repository_id=repository,
                cause=f"repository:{repository}",
            ),
            repository=newest["repository__name"],
            count=len(group),
            since=min(row["wanted_at"] for row in group),
            label=newest["backup__label"],
            error=newest["error"],
            hint=newest["hint"],
            failed_at=newest["failed_at"],
        )
