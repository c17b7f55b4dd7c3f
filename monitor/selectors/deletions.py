"""What is marked for deletion, what was deleted lately, and with which evidence?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.paginator import Page, Paginator

from backups.models import Approval, Deletion, Instance, Repository
from backups.retention.deletions import by_whom, list_deletions
from backups.retention.remaining import remaining_in_words
from backups.retention.second_admin import asked_in_words, waiting_approvals
from backups.states import DeletionStatus

PAGE_SIZE = 50
LONGEST_CHOICE = 200


@dataclass(frozen=True, slots=True)
class DeletionFilters:
    """The requested filters; blank is everything."""

    status: str = ""
    instance: str = ""
    repository: str = ""

    @property
    def chosen(self) -> bool:
        return bool(self.status or self.instance or self.repository)


@dataclass(frozen=True, slots=True)
class DeletionRow:
    """A deletion, and the sentences about it."""

    deletion: Deletion
    by: str
    # What remained restorable when it was marked; and when it was deleted.
    at_mark: str
    at_end: str


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """A request that waits for a second admin."""

    approval: Approval
    asked: str
    # Whether the reader made it.
    own: bool


@dataclass(frozen=True, slots=True)
class DeletionsView:
    """One page of deletions, and the choices of its filters."""

    rows: Sequence[DeletionRow]
    page: Page[Deletion]
    filters: DeletionFilters
    statuses: Sequence[tuple[str, str]]
    instances: Sequence[str]
    repositories: Sequence[str]
    # What waits for a second admin, and who may not confirm it.
    approvals: Sequence[ApprovalRow]


def load_deletions(
    filters: DeletionFilters, page: str | None, reader: str, now: datetime
) -> DeletionsView:
    found = list_deletions(
        status=filters.status, instance=filters.instance, repository=filters.repository
    )
    shown = Paginator(found, PAGE_SIZE).get_page(page)
    with_any = Deletion.objects.order_by().values("copy__backup__instance")
    instances = Instance.objects.filter(pk__in=with_any).order_by("name")
    return DeletionsView(
        [_row(deletion) for deletion in shown],
        shown,
        filters,
        DeletionStatus.choices,
        list(instances.values_list("name", flat=True)[:LONGEST_CHOICE]),
        list(Repository.objects.values_list("name", flat=True)[:LONGEST_CHOICE]),
        [
            ApprovalRow(each, asked_in_words(each), each.requested_by == reader)
            for each in waiting_approvals(now)
        ],
    )


def _row(deletion: Deletion) -> DeletionRow:
    return DeletionRow(
        deletion,
        by_whom(deletion),
        remaining_in_words(deletion.remains_marked),
        remaining_in_words(deletion.remains_deleted),
    )
