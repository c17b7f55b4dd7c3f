"""Is a planned run late, or was it missed?"""

from __future__ import annotations

from datetime import datetime

from alerts.facts.run import LateFacts, MissedFacts, UnfitFacts
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
        f"{because(facts.reason, facts.detail)}; the window closes at "
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
        f"{because(facts.reason, facts.detail)}",
        severity=MILDER.get(facts.reason),
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


def check_unfit(facts: UnfitFacts, limits: Limits) -> Finding | None:
    withheld = "; it will not be started" if facts.withheld else ""
    return Finding(
        message=f"the next run of {facts.schedule} will probably not fit its window: "
        f"{facts.reason}{withheld}",
        facts={
            "due_at": facts.due_at.isoformat() if facts.due_at else None,
            "not_started": facts.withheld,
        },
    )


def moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def because(reason: str, detail: str) -> str:
    if not reason:
        return f": {detail}" if detail else ": reason unknown"
    label = WaitReason(reason).label
    text = label[0].lower() + label[1:]
    return f": {text} ({detail})" if detail else f": {text}"


# Less severe than a missed run otherwise: a pause is wanted; and a run that did not succeed has an
# alert of its own, besides that of the runs that were to follow it.
MILDER = {
    WaitReason.PAUSED.value: Severity.NOTICE,
    WaitReason.PREDECESSOR.value: Severity.WARNING,
}
HINTS = {
    WaitReason.PAUSED.value: "Resume the schedule once the reason for the pause no longer applies.",
    WaitReason.INSTANCE_DISABLED.value: "Enable the instance, or remove it from the schedule.",
    WaitReason.INSTANCE_UNREACHABLE.value: "Check that the server runs and its port is reachable.",
    WaitReason.PREVIOUS_RUNNING.value: "Check the long previous run, or schedule less often.",
    WaitReason.LIMIT.value: "Raise the limit, or spread the schedules over a longer period.",
    WaitReason.NO_WORKER.value: "Start a worker for the queue.",
    WaitReason.NOT_CLAIMED.value: "Start more workers, or check those that claim no jobs.",
    WaitReason.REPOSITORY.value: "Check that the repository is mounted, enabled and not full.",
    WaitReason.SCHEDULER_DOWN.value: "Check why the process control stopped.",
    WaitReason.NOTHING_SEEN.value: "Check the external job that takes this backup.",
    WaitReason.HISTORY_UNKNOWN.value: "Grant SELECT on the history tables to Mooring's account.",
    WaitReason.WILL_NOT_FIT.value: "Lengthen the window, or let the schedule start it anyway.",
    WaitReason.PREDECESSOR.value: "Check the run that it follows; then start this backup by hand.",
    WaitReason.FAILED.value: "Open the failed job: its log shows the cause.",
}

OCCURRENCE_LATE = Rule(
    name="occurrence_late",
    title="Backup is late",
    about=LateFacts,
    check=check_late,
    severity=Severity.WARNING,
    explanation="A planned run has not started within its grace time; its window is still open. "
    "Notice while the schedule is paused.",
    hint="Check that workers are running and claim jobs from the queue.",
    resolves_when="The run starts, is missed or is cancelled.",
    superseded_by=("occurrence_missed",),
)
OCCURRENCE_MISSED = Rule(
    name="occurrence_missed",
    title="Backup was missed",
    about=MissedFacts,
    check=check_missed,
    severity=Severity.EMERGENCY,
    explanation="The window of a planned run closed before it started: this backup does not "
    "exist. Notice while the schedule is paused; warning for a run that follows one which did "
    "not succeed.",
    hint="Start a backup manually, and check the reason.",
    resolves_when="A later run of the schedule for the instance, a later backup of its kind or a "
    "full backup succeeds; or the schedule is disabled.",
)
RUN_UNFIT = Rule(
    name="run_unfit",
    title="Next run will not fit its window",
    about=UnfitFacts,
    check=check_unfit,
    severity=Severity.WARNING,
    explanation="The next run of a schedule is expected to take longer than its window, by the "
    "median of the last 10 runs of its kind (at least 3), scaled to the size of the instance.",
    hint="Lengthen the window, take incremental backups, or raise the limits of the copy's rate.",
    resolves_when="The expected length is within the window, or the schedule is disabled.",
)
RULES = (OCCURRENCE_LATE, OCCURRENCE_MISSED, RUN_UNFIT)
