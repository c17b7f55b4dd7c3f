"""Is a planned run late, or was it missed?"""

from __future__ import annotations

from datetime import datetime

from alerts.facts.run import LateFacts, MissedFacts
from alerts.rules.base import Finding, Limits, Rule
from alerts.states import Severity
from backups.states import WaitReason
from backups.units import format_duration


def check_late(facts: LateFacts, limits: Limits) -> Finding | None:
    if facts.now < facts.late_after:
        return None
    waited = format_duration(facts.now - facts.due_at)
    return Finding(
        message=f"due at {moment(facts.due_at)}, not started after {waited}"
        f"{_because(facts.reason, facts.detail)}; the window closes at "
        f"{moment(facts.missed_after)}",
        severity=Severity.NOTICE if facts.reason == WaitReason.PAUSED else None,
        facts={
            "due_at": facts.due_at.isoformat(),
            "window_closes_at": facts.missed_after.isoformat(),
            "reason": facts.reason,
        },
        hint=HINTS.get(facts.reason, ""),
        episode=f"due:{facts.due_at.isoformat()}",
    )


def check_missed(facts: MissedFacts, limits: Limits) -> Finding | None:
    times = f", {facts.count} in a row" if facts.count > 1 else ""
    return Finding(
        message=f"the run due at {moment(facts.due_at)} was missed{times}"
        f"{_because(facts.reason, facts.detail)}",
        severity=Severity.NOTICE if facts.reason == WaitReason.PAUSED else None,
        facts={
            "occurrence": facts.occurrence_id,
            "due_at": facts.due_at.isoformat(),
            "window_closed_at": facts.missed_after.isoformat(),
            "reason": facts.reason,
            "missed_in_a_row": facts.count,
        },
        hint=HINTS.get(facts.reason, ""),
        episode=f"occurrence:{facts.occurrence_id}",
    )


def moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _because(reason: str, detail: str) -> str:
    if not reason:
        return f": {detail}" if detail else ": no reason is known"
    label = WaitReason(reason).label
    words = label[0].lower() + label[1:]
    return f": {words} ({detail})" if detail else f": {words}"


HINTS = {
    WaitReason.PAUSED.value: "Resume the schedule when the reason for the pause is over.",
    WaitReason.INSTANCE_DISABLED.value: "Enable the instance, or take it off the schedule.",
    WaitReason.INSTANCE_UNREACHABLE.value: "Look whether the server runs and answers on its port.",
    WaitReason.PREVIOUS_RUNNING.value: "See why the previous run takes so long, or run less often.",
    WaitReason.LIMIT.value: "Raise the limit, or spread the schedules over more of the night.",
    WaitReason.NO_WORKER.value: "Start a worker for the queue.",
    WaitReason.NOT_CLAIMED.value: "Start more workers, or look why theirs are stuck.",
    WaitReason.REPOSITORY.value: "Look at the repository: is it mounted, enabled, not full?",
    WaitReason.SCHEDULER_DOWN.value: "See why beat and the control worker were not running.",
    WaitReason.NOTHING_SEEN.value: "Look at the job that takes this backup outside of Mooring.",
    WaitReason.HISTORY_UNKNOWN.value: "Let Mooring's account read the tool's history tables.",
    WaitReason.FAILED.value: "Open the failed job: its log says what went wrong.",
}

OCCURRENCE_LATE = Rule(
    name="occurrence_late",
    title="Backup is late",
    about=LateFacts,
    check=check_late,
    severity=Severity.WARNING,
    explanation="A planned run is past its grace and has not started; its window is still open. "
    "A notice where the schedule is paused.",
    hint="Look whether workers run and take jobs from the queue.",
    over="It starts, is missed or is cancelled.",
    taken_over_by=("occurrence_missed",),
)
OCCURRENCE_MISSED = Rule(
    name="occurrence_missed",
    title="Backup was missed",
    about=MissedFacts,
    check=check_missed,
    severity=Severity.EMERGENCY,
    explanation="The window of a planned run closed before anything ran: this backup does not "
    "exist. A notice where the schedule is paused.",
    hint="Take a backup by hand, and look at the reason.",
    over="A later run of the schedule for the instance succeeds, or a later backup of its kind "
    "or a full one does; or the schedule is disabled.",
)
RULES = (OCCURRENCE_LATE, OCCURRENCE_MISSED)
