"""Did the newest backup slow its instance's writers, or nearly lose its race with the redo log?"""

from __future__ import annotations

from alerts.facts.instance import BackupFacts
from alerts.rules.base import Finding, Limits, Rule, Threshold, Unit
from alerts.states import Severity


def check_writers(facts: BackupFacts, limits: Limits) -> Finding | None:
    """Compare what was measured with the target; without either nothing is found."""
    pace = facts.pace
    if pace is None or pace.p99_during_ms is None or not pace.target_ms:
        return None
    during, target = pace.p99_during_ms, pace.target_ms
    slack = limits.length("slack")
    if slack is not None and during - target < slack.total_seconds() * 1000:
        return None
    severity = limits.risen_to(during / target)
    if severity is None:
        return None
    what = "mean statement time" if pace.measure == "mean" else "p99"
    before = "" if pace.p99_before_ms is None else f", {pace.p99_before_ms:.1f} ms before it"
    return Finding(
        message=f"{facts.backup.label} slowed its instance: {what} {during:.1f} ms during the "
        f"copy{before}, target {target:.1f} ms",
        severity=severity,
        facts={
            "backup": facts.backup.label,
            "during_ms": during,
            "before_ms": pace.p99_before_ms,
            "target_ms": target,
        },
        episode=f"backup:{facts.backup.id}",
    )


def check_redo(facts: BackupFacts, limits: Limits) -> Finding | None:
    """Judge the share of the redo log that was written and not copied, at its highest."""
    pace = facts.pace
    if pace is None:
        return None
    share, lifted = pace.redo_worst_share, pace.redo_lifted
    severity = None if share is None else limits.risen_to(100 * share)
    if severity is None and share is None and lifted:
        # The server reports no share: that its limit had to be lifted is all that is known.
        severity = Severity.NOTICE
    if severity is None:
        return None
    parts = [] if share is None else [f"{100 * share:.0f} % of it was written and not copied"]
    if lifted:
        parts.append(f"its limit was lifted {'once' if lifted == 1 else f'{lifted} times'}")
    return Finding(
        message=f"{facts.backup.label} nearly lost its race with the redo log: {', '.join(parts)}",
        severity=severity,
        facts={"backup": facts.backup.label, "redo_share": share, "redo_lifted": lifted},
        episode=f"backup:{facts.backup.id}",
    )


WRITERS_SLOWED = Rule(
    name="writers_slowed",
    title="Backup slowed the writers",
    about=BackupFacts,
    check=check_writers,
    severity=Severity.WARNING,
    explanation="While the backup was copied, statements of its instance took longer than the "
    "target that instance or schedule have.",
    hint="Take the backup at a quieter hour or from a replica, give it a limit in bytes per "
    "second, or choose a target that the instance can keep to.",
    resolves_when="The next backup of its kind keeps to its target.",
    thresholds=(
        Threshold("warning", "Warning from, of the target", Unit.TIMES, 1.5),
        Threshold("critical", "Critical from, of the target", Unit.TIMES, None),
        Threshold("slack", "Minimum difference", Unit.SECONDS, 0.01),
    ),
)
REDO_RACE = Rule(
    name="redo_race",
    title="Backup nearly lost to the redo log",
    about=BackupFacts,
    check=check_redo,
    severity=Severity.NOTICE,
    explanation="A server overwrites its redo log in a circle. What a backup has not copied by "
    "then is lost to it, and the backup fails.",
    hint="Enlarge the redo log of the instance, or take the backup when less is written.",
    resolves_when="The next backup of its kind stays further away from the end of the redo log.",
    thresholds=(
        Threshold("notice", "Notice from", Unit.PERCENT, 80),
        Threshold("warning", "Warning from", Unit.PERCENT, 95),
    ),
)
RULES = (WRITERS_SLOWED, REDO_RACE)
