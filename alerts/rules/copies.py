"""Is every backup in every repository it was to go to?"""

from __future__ import annotations

from alerts.facts.run import MissingCopyFacts
from alerts.rules.base import Finding, Limits, Rule, Threshold, Unit
from alerts.rules.punctuality import moment
from alerts.states import Severity
from backups.units import format_count, format_duration


def check_missing(facts: MissingCopyFacts, limits: Limits) -> Finding | None:
    """A copy that failed is a finding at once; one that is only planned, after its time."""
    late = limits.reached(facts.now - facts.since)
    if late is None and not facts.error:
        return None
    backups = format_count(facts.count, "backup")
    age = format_duration(facts.now - facts.since)
    missing = f"{backups} without a copy in {facts.repository}, the oldest for {age}"
    failed = f"; {facts.label}: {facts.error}" if facts.error else ""
    return Finding(
        message=f"{missing}{failed}",
        severity=late,
        facts={
            "repository": facts.repository,
            "count": facts.count,
            "since": facts.since.isoformat(),
            "failed_at": moment(facts.failed_at) if facts.failed_at else None,
        },
        hint=facts.hint,
    )


COPY_MISSING = Rule(
    name="copy_missing",
    title="Copy of a backup is missing",
    about=MissingCopyFacts,
    check=check_missing,
    severity=Severity.WARNING,
    explanation="A backup was to go to several repositories, and one of them does not have it: it "
    "failed while the backup was taken, or a later copy failed or is not made in time. The other "
    "copies are good.",
    hint="Open the page of the backup: it shows what failed. There a copy can be given up too.",
    resolves_when="Every wanted copy exists, or is no longer wanted.",
    thresholds=(
        Threshold("warning", "Warning after", Unit.HOURS, 26),
        Threshold("critical", "Critical after", Unit.HOURS, None),
    ),
)
RULES = (COPY_MISSING,)
