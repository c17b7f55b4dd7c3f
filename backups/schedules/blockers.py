"""What stands in the way of an occurrence that could start?

The first that is found is named: it is what somebody would have to change.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from backups.exceptions import BadInput, Refused
from backups.jobs.request import refuse_unfit, refuse_unfit_kind, scheduled_parameters
from backups.models import Occurrence, Repository
from backups.schedules.context import Surroundings
from backups.states import WaitReason

SOON = timedelta(seconds=1)


class Blocker(NamedTuple):
    reason: WaitReason
    detail: str
    # When it goes by itself; None where nobody knows.
    until: datetime | None = None


def blocker_of(occurrence: Occurrence, around: Surroundings) -> Blocker | None:
    """Return why the occurrence cannot start now; None where it can."""
    schedule, instance = occurrence.schedule, occurrence.instance
    if schedule.paused(around.now):
        return Blocker(WaitReason.PAUSED, schedule.paused_reason, schedule.paused_until)
    if not instance.enabled:
        return Blocker(WaitReason.INSTANCE_DISABLED, f"{instance.name} is disabled")
    if schedule.next_due_at is not None and schedule.next_due_at <= around.now:
        # Slots that came later are not accounted for yet: the newest of them is to start.
        # What this one has waited for until now stays its reason.
        return Blocker(WaitReason(occurrence.reason), occurrence.detail, around.now + SOON)
    if running := around.busy.get(instance.pk):
        return Blocker(WaitReason.PREVIOUS_RUNNING, running)
    active = around.active[schedule.pk]
    if schedule.max_jobs is not None and active >= schedule.max_jobs:
        detail = f"{active} jobs of {schedule.name} are active, {schedule.max_jobs} may be"
        return Blocker(WaitReason.LIMIT, detail)
    return _refusal(occurrence, around)


def repositories_of(occurrence: Occurrence, around: Surroundings) -> list[Repository]:
    """Return where its backup goes: the schedule's choice, or the only one there is."""
    if chosen := around.repositories.get(occurrence.schedule_id):
        return chosen
    if isinstance(around.only_repository, Repository):
        return [around.only_repository]
    raise around.only_repository or BadInput("there is no repository")


def _refusal(occurrence: Occurrence, around: Surroundings) -> Blocker | None:
    try:
        refuse_unfit(repositories_of(occurrence, around))
    except (Refused, BadInput) as exc:
        return Blocker(WaitReason.REPOSITORY, str(exc))
    try:
        refuse_unfit_kind(occurrence.instance, occurrence.schedule.kind)
        scheduled_parameters(occurrence)
    except (Refused, BadInput) as exc:
        return Blocker(WaitReason.REFUSED, str(exc))
    return None
