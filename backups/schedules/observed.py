"""What happens to an occurrence of an observed schedule while no run of it is known?"""

from __future__ import annotations

from datetime import timedelta

from backups.models import ObservedHistory, Occurrence
from backups.models.heartbeat import HistoryVerdict
from backups.schedules.context import ScheduleContext
from backups.schedules.steps import RECHECK_BLOCKED, NextStep, ended, lateness, waits
from backups.states import OccurrenceStatus, WaitReason

# How long after a window to wait for the reading that covers its end.
PATIENCE = timedelta(minutes=15)


def watch(occurrence: Occurrence, context: ScheduleContext) -> NextStep:
    """Wait while the window is open; then decide: no run seen, or history unknown."""
    schedule, now = occurrence.schedule, context.now
    if schedule.paused(now):
        return ended(OccurrenceStatus.SKIPPED, WaitReason.PAUSED, schedule.paused_reason)
    if not occurrence.instance.enabled:
        detail = f"{occurrence.instance.name} is disabled"
        return ended(OccurrenceStatus.SKIPPED, WaitReason.INSTANCE_DISABLED, detail)
    if now < occurrence.missed_after:
        reason = WaitReason(occurrence.reason)
        return waits(occurrence, now, reason, occurrence.detail, until=occurrence.missed_after)
    if occurrence.attempts:
        return ended(OccurrenceStatus.FAILED, WaitReason.FAILED, occurrence.detail)
    history = context.histories.get(occurrence.instance_id)
    late = lateness(occurrence, now)
    if history is None or history.verdict != HistoryVerdict.READ:
        return ended(
            OccurrenceStatus.MISSED, WaitReason.HISTORY_UNKNOWN, _unknown(occurrence, history),
            late,
        )  # fmt: skip
    if history.read_at is not None and history.read_at >= occurrence.missed_after:
        detail = f"the history read at {history.read_at:%Y-%m-%d %H:%M:%S}Z shows no run"
        return ended(OccurrenceStatus.MISSED, WaitReason.NOTHING_SEEN, detail, late)
    # Planned after its window if Mooring itself was down: the reading must catch up first.
    patience_ends = max(occurrence.missed_after, occurrence.status_since) + PATIENCE
    if now < patience_ends:
        detail, again = "the history is about to be read", min(now + RECHECK_BLOCKED, patience_ends)
        return waits(occurrence, now, WaitReason.NONE, detail, until=again)
    detail = f"the history was last read at {_when(history)}"
    return ended(OccurrenceStatus.MISSED, WaitReason.HISTORY_UNKNOWN, detail, late)


def _unknown(occurrence: Occurrence, history: ObservedHistory | None) -> str:
    if history is None:
        return f"the history of {occurrence.instance.name} has never been read"
    return history.detail or history.get_verdict_display()


def _when(history: ObservedHistory) -> str:
    return "an unknown time" if history.read_at is None else f"{history.read_at:%Y-%m-%d %H:%M:%S}Z"
