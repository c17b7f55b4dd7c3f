"""List what is marked for deletion, and what was deleted or kept lately, with the reasons."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from backups.management.output import Answer, MooringCommand, table
from backups.management.rows import named_instance, named_repository
from backups.models import Deletion
from backups.retention.deletions import by_whom, list_deletions
from backups.retention.remaining import remaining_in_words
from backups.states import DeletionStatus
from backups.units import format_bytes, format_duration

# Of those that ended, so many are shown with the rest.
SHOWN = 200
HEADINGS = ("label", "repository", "state", "since", "due", "stored", "by", "reason", "remains")


class Command(MooringCommand):
    help = (
        "List what is marked for deletion, and when it is deleted, and what was deleted or kept "
        "lately: who, why, and which backups remained restorable."
    )

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("--instance", help="Of this instance only.")
        parser.add_argument("--repository", help="In this repository only.")
        parser.add_argument(
            "--status", choices=DeletionStatus.values, default="", help="In this state only."
        )

    def answer(self, options: dict[str, Any]) -> Answer:
        instance, repository = options["instance"] or "", options["repository"] or ""
        if instance:
            named_instance(instance)
        if repository:
            named_repository(repository)
        rows = list_deletions(status=options["status"], instance=instance, repository=repository)[
            :SHOWN
        ]
        if not rows:
            return Answer({"deletions": []}, ["nothing is marked for deletion, or was deleted"])
        return Answer(
            {"deletions": [_fields(row) for row in rows]},
            [table(HEADINGS, [_row(row) for row in rows], right="stored")],
        )


def _fields(deletion: Deletion) -> dict[str, object]:
    copy = deletion.copy
    return {
        "label": copy.backup.label,
        "instance": copy.backup.instance.name,
        "repository": copy.repository.name,
        "stored_bytes": copy.stored_bytes,
        "status": deletion.status,
        "status_since": deletion.status_since,
        "marked_at": deletion.marked_at,
        "due_at": deletion.due_at,
        "extended_s": deletion.extended.total_seconds(),
        "reason": deletion.reason,
        "requested_by": deletion.requested_by,
        "forced": deletion.forced,
        "hastened_by": deletion.hastened_by,
        "hastened_reason": deletion.hastened_reason,
        "ended_by": deletion.ended_by,
        "end_reason": deletion.end_reason,
        "problem": deletion.problem,
        "remains_marked": deletion.remains_marked,
        "remains_deleted": deletion.remains_deleted,
    }


def _row(deletion: Deletion) -> tuple[str, ...]:
    copy = deletion.copy
    reason = deletion.reason
    if deletion.extended:
        reason = f"{reason}; delay longer by {format_duration(deletion.extended)}: not seen to pass"
    if deletion.problem:
        reason = f"{reason}; not deleted: {deletion.problem}"
    return (
        copy.backup.label,
        copy.repository.name,
        deletion.get_status_display().lower(),
        f"{deletion.status_since:%Y-%m-%d %H:%M}Z",
        f"{deletion.due_at:%Y-%m-%d %H:%M}Z" if deletion.marked else "",
        format_bytes(copy.stored_bytes),
        by_whom(deletion),
        reason,
        remaining_in_words(deletion.remains_deleted or deletion.remains_marked),
    )
