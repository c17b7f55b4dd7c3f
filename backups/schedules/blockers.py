"""What prevents a due occurrence from starting?

The first obstacle found is named: it is the one to remove.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from backups.exceptions import BadInput, Refused
from backups.jobs.backup_options import scheduled_parameters
from backups.jobs.request import refuse_unfit, refuse_unfit_kind
from backups.models import Occurrence, Repository
from backups.schedules.context import ScheduleContext
from backups.states import WaitReason

SOON = timedelta(seconds=1)


class Blocker(NamedTuple):
    reason: WaitReason
    detail: str
    # When it ends by itself; None if unknown.
    until: datetime | None = None


def blocker_of(occurrence: Occurrence, context: ScheduleContext) -> Blocker | None:
    """Return why the occurrence cannot start now; None if it can."""
    schedule, instance = occurrence.schedule, occurrence.instance
    if schedule.paused(context.now):
        return Blocker(WaitReason.PAUSED, schedule.paused_reason, schedule.paused_until)
    if not instance.enabled:
        return Blocker(WaitReason.INSTANCE_DISABLED, f"{instance.name} is disabled")
    if schedule.next_due_at is not None and schedule.next_due_at <= context.now:
        # Later due times are not planned yet, and the newest of them is to start instead.
        # The reason this one has waited for so far is kept.
        return Blocker(WaitReason(occurrence.reason), occurrence.detail, context.now + SOON)
    if running := context.in_the_way(occurrence):
        return Blocker(WaitReason.PREVIOUS_RUNNING, running)
    active = context.active[schedule.pk]
    if schedule.max_jobs is not None and active >= schedule.max_jobs:
        detail = f"{active} of at most {schedule.max_jobs} jobs of {schedule.name} are active"
        return Blocker(WaitReason.LIMIT, detail)
    return None if schedule.proves else _refusal(occurrence, context)


def repositories_of(occurrence: Occurrence, context: ScheduleContext) -> list[Repository]:
    """Return the repositories of its backup: the schedule's, or the only enabled one."""
    if chosen := context.repositories.get(occurrence.schedule_id):
        return chosen
    if isinstance(context.only_repository, Repository):
        return [context.only_repository]
    raise context.only_repository or BadInput("no repository is enabled")


def _refusal(occurrence: Occurrence, context: ScheduleContext) -> Blocker | None:
    try:
        refuse_unfit(repositories_of(occurrence, context))
    except (Refused, BadInput) as exc:
        return Blocker(WaitReason.REPOSITORY, str(exc))
    try:
        refuse_unfit_kind(occurrence.instance, occurrence.kind)
        scheduled_parameters(occurrence)
    except (Refused, BadInput) as exc:
        return Blocker(WaitReason.REFUSED, str(exc))
    return None
