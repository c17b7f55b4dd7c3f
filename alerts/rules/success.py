"""Has a backup succeeded?"""

from __future__ import annotations

from alerts.facts.run import SuccessFacts
from alerts.rules.base import Finding, Limits, Rule
from alerts.states import Severity
from backups.states import BackupKind
from backups.units import format_bytes, format_duration


def check_succeeded(facts: SuccessFacts, limits: Limits) -> Finding | None:
    kind = BackupKind(facts.kind).label.lower() if facts.kind else ""
    size = f", {format_bytes(facts.raw_bytes)}" if facts.raw_bytes is not None else ""
    how = "succeeded with problems" if facts.problems else "succeeded"
    problems = "".join(f"; {problem}" for problem in facts.problems)
    took = format_duration(facts.run_time)
    return Finding(
        message=f"{kind} backup {how} in {took}{size}{problems}".strip(),
        severity=Severity.WARNING if facts.problems else None,
        facts={
            "problems": list(facts.problems),
            "ended_at": facts.ended_at.isoformat(),
            "raw_bytes": facts.raw_bytes,
            "lock_time_s": facts.lock_time.total_seconds() if facts.lock_time else None,
        },
    )


BACKUP_SUCCEEDED = Rule(
    name="backup_succeeded",
    title="Backup succeeded",
    about=SuccessFacts,
    check=check_succeeded,
    severity=Severity.NOTICE,
    explanation="Recorded for every backup. Only routes that name this rule send it.",
    hint="No action is needed.",
    resolves_when="Immediately: it is an event, not a state.",
    event=True,
)
RULES = (BACKUP_SUCCEEDED,)
