"""Which deletions are shown, in which order, and how do they read?

Those that can be undone come first, by when they are due; then what was deleted or undone, the
newest first.
"""

from __future__ import annotations

from django.db.models import Case, F, IntegerField, QuerySet, Value, When

from backups.models import Deletion
from backups.states import OPEN_DELETION_STATUSES, DeletionStatus


def list_deletions(
    *, status: str = "", instance: str = "", repository: str = ""
) -> QuerySet[Deletion]:
    """Return deletions, all or some, with what their lists name."""
    rows = Deletion.objects.select_related("copy__backup__instance", "copy__repository")
    if status:
        rows = rows.filter(status=status)
    if instance:
        rows = rows.filter(copy__backup__instance__name=instance)
    if repository:
        rows = rows.filter(copy__repository__name=repository)
    ended = Case(
        When(status__in=sorted(OPEN_DELETION_STATUSES), then=Value(0)),
        default=Value(1),
        output_field=IntegerField(),
    )
    due = Case(When(status=DeletionStatus.MARKED, then=F("due_at")), default=None)
    return rows.annotate(ended=ended, due=due).order_by("ended", "due", "-status_since", "-id")


def by_whom(deletion: Deletion) -> str:
    """Return who had it deleted, and who cut its delay short; or who undid it."""
    if deletion.ended_by:
        return f"{deletion.requested_by}, undone by {deletion.ended_by}: {deletion.end_reason}"
    if deletion.hastened_by:
        return (
            f"{deletion.requested_by}, at once by {deletion.hastened_by}: "
            f"{deletion.hastened_reason}"
        )
    return deletion.requested_by
