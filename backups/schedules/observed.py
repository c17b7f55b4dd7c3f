"""What of an occurrence that somebody else's cron is to run, while no run of it is known?"""

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
    """Wait while the window is open; after it, say whether nothing was seen or nothing known."""
    schedule, now = occurrence.schedule, context.now
    if schedule.paused(now):
        return ended(OccurrenceStatus.SKIPPED, WaitReason.PAUSED, schedule.paused_reason)
    if not occurrence.instance.enabled:
        words = f"{occurrence.instance.name} is disabled"
        return ended(OccurrenceStatus.SKIPPED, WaitReason.INSTANCE_DISABLED, words)
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
        words = f"its history was read at {history.read_at:%Y-%m-%d %H:%M:%S}Z"
        return ended(OccurrenceStatus.MISSED, WaitReason.NOTHING_SEEN, words, late)
    # Born after its window where Mooring itself was down: then the reading has to catch up.
    patience_ends = max(occurrence.missed_after, occurrence.status_since) + PATIENCE
    if now < patience_ends:
        words, again = "its history is about to be read", min(now + RECHECK_BLOCKED, patience_ends)
        return waits(occurrence, now, WaitReason.NONE, words, until=again)
    words = f"its history was last read at {_when(history)}"
    return ended(OccurrenceStatus.MISSED, WaitReason.HISTORY_UNKNOWN, words, late)


def _unknown(occurrence: Occurrence, history: ObservedHistory | None) -> str:
    if history is None:
        return f"no history of {occurrence.instance.name} has been read"
    return history.detail or history.get_verdict_display()


def _when(history: ObservedHistory) -> str:
    return "no time" if history.read_at is None else f"{history.read_at:%Y-%m-%d %H:%M:%S}Z"
