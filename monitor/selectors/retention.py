"""What does retention decide about backups, and what would a changed policy delete?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest

from backups.models import BackupCopy, BackupSchedule, Repository
from backups.retention.verdicts import JudgedCopy, judge_copies
from backups.states import CopyStatus

# The preview of a form names the first few, the oldest first.
NAMED = 12


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What a policy would delete, as entered in a form, and what the present one would."""

    going: Sequence[JudgedCopy]
    # Those that the present policy keeps.
    newly: Sequence[JudgedCopy]
    stored_count: int

    @property
    def going_bytes(self) -> int:
        return sum(judgement.copy.stored_bytes for judgement in self.going)

    @property
    def newly_bytes(self) -> int:
        return sum(judgement.copy.stored_bytes for judgement in self.newly)

    @property
    def named(self) -> Sequence[JudgedCopy]:
        return self.newly[:NAMED]

    @property
    def seen(self) -> str:
        """Identifies what was shown, for the confirmation of a change."""
        return f"{len(self.newly)}:{max((each.copy.pk for each in self.newly), default=0)}"


def needs_confirmation(request: HttpRequest, changes: WhatIf | None) -> bool:
    """Whether a change would delete what is kept now, and a person has not confirmed just that."""
    if changes is None or not changes.newly:
        return False
    return request.POST.get("confirm_retention") != changes.seen


def judge_by_backup(instances: Collection[int], now: datetime) -> Mapping[int, list[JudgedCopy]]:
    """Map backups of these instances to the verdicts about their stored copies."""
    by_backup: defaultdict[int, list[JudgedCopy]] = defaultdict(list)
    for judged in judge_copies(now, instances):
        by_backup[judged.copy.backup_id].append(judged)
    return by_backup


def longest_kept(judged: Sequence[JudgedCopy]) -> JudgedCopy | None:
    """Return the verdict about a backup: that of the copy which is kept longest."""
    ordered = sorted(
        judged,
        key=lambda judgement: (
            judgement.mark is not None,
            judgement.verdict.may_go,
            judgement.verdict.blocked,
        ),
    )
    return ordered[0] if ordered else None


def what_if(changed: BackupSchedule | Repository, now: datetime) -> WhatIf | None:
    """Judge with a changed row that is not saved yet; None where it decides about nothing."""
    if changed.pk is None:
        return None
    stored = BackupCopy.objects.filter(status=CopyStatus.STORED)
    if isinstance(changed, BackupSchedule):
        own = stored.filter(backup__made_by__occurrence__schedule=changed.pk)
    else:
        own = stored.filter(repository=changed.pk, backup__made_by__occurrence=None)
    instances = set(own.order_by().values_list("backup__instance", flat=True))
    if not instances:
        return None
    # A fault of today, such as a failed run, ends: what would go then is what counts.
    before = judge_copies(now, instances, faults=False)
    after = judge_copies(now, instances, instead=changed, faults=False)
    kept = {judgement.copy.pk for judgement in before if not judgement.verdict.may_go}
    going = sorted(
        (judgement for judgement in after if judgement.verdict.may_go),
        key=lambda judgement: (judgement.copy.ended_at, judgement.copy.pk),
    )
    return WhatIf(
        going, [judgement for judgement in going if judgement.copy.pk in kept], len(after)
    )
