"""Do locks, size or duration of the newest backup differ from those before it?"""

from __future__ import annotations

from datetime import timedelta

from alerts.facts.instance import BackupFacts
from alerts.rules.base import Finding, Limits, Rule, Threshold, Unit
from alerts.states import Severity
from backups.norms import LEAST, Norm
from backups.units import format_bytes, format_duration


def check_lock(facts: BackupFacts, limits: Limits) -> Finding | None:
    lock_time = facts.backup.lock_time
    severity = limits.reached(lock_time) if lock_time is not None else None
    if lock_time is None or severity is None:
        return None
    return Finding(
        message=f"{facts.backup.label} held locks for {format_duration(lock_time)}",
        severity=severity,
        facts={"backup": facts.backup.label, "lock_time_s": lock_time.total_seconds()},
        episode=f"backup:{facts.backup.id}",
    )


def check_size(facts: BackupFacts, limits: Limits) -> Finding | None:
    size, usual = facts.backup.raw_bytes, facts.usual_bytes
    if usual is None or not size:
        return None
    severity = _deviation_severity(size, usual, limits)
    if severity is None:
        return None
    return Finding(
        message=f"{facts.backup.label} is {_share(size, usual)} than usual: {format_bytes(size)}, "
        f"the median of the {usual.count} before it is {format_bytes(round(usual.median))}",
        severity=severity,
        facts={
            "backup": facts.backup.label,
            "raw_bytes": size,
            "median_bytes": usual.median,
            "deviation_bytes": usual.deviation,
        },
        episode=f"backup:{facts.backup.id}",
    )


def check_duration(facts: BackupFacts, limits: Limits) -> Finding | None:
    run_time, usual = facts.backup.run_time, facts.usual_seconds
    if usual is None:
        return None
    seconds = run_time.total_seconds()
    slack = limits.length("slack")
    if slack is not None and abs(seconds - usual.median) < slack.total_seconds():
        return None
    severity = _deviation_severity(seconds, usual, limits)
    if severity is None:
        return None
    median = format_duration(timedelta(seconds=usual.median))
    longer = "longer" if seconds > usual.median else "shorter"
    return Finding(
        message=f"{facts.backup.label} took {format_duration(run_time)}, {longer} than usual: "
        f"the median of the {usual.count} before it is {median}",
        severity=severity,
        facts={
            "backup": facts.backup.label,
            "seconds": seconds,
            "median_s": usual.median,
            "deviation_s": usual.deviation,
        },
        episode=f"backup:{facts.backup.id}",
    )


def _deviation_severity(figure: float, usual: Norm, limits: Limits) -> Severity | None:
    """Judge the deviation in percent, but only beyond the usual spread."""
    distance = figure - usual.median
    if not usual.median or abs(distance) <= (limits.number("spread") or 0) * usual.deviation:
        return None
    percent = 100 * abs(distance) / usual.median
    names = SMALL if distance < 0 else LARGE
    for name, severity in names.items():
        limit = limits.number(name)
        if limit is not None and percent >= limit:
            return severity
    return None


def _share(size: float, usual: Norm) -> str:
    percent = abs(size - usual.median) / usual.median * 100
    return f"{percent:.0f} % {'larger' if size > usual.median else 'smaller'}"


SMALL = {"small_critical": Severity.CRITICAL, "small_warning": Severity.WARNING}
LARGE = {"large_warning": Severity.WARNING, "large_notice": Severity.NOTICE}
SPREAD = Threshold("spread", "Only beyond this many deviations (MAD)", Unit.TIMES, 4)

LOCK_TIME = Rule(
    name="lock_time",
    title="Locks held too long",
    about=BackupFacts,
    check=check_lock,
    severity=Severity.NOTICE,
    explanation="While a backup holds locks, writes to the instance have to wait.",
    hint="Look for long-running queries and non-InnoDB tables: the backup has to wait for them.",
    resolves_when="The next backup of its kind holds locks for less than the threshold.",
    thresholds=(
        Threshold("notice", "Notice from", Unit.SECONDS, 10),
        Threshold("warning", "Warning from", Unit.SECONDS, 60),
        Threshold("critical", "Critical from", Unit.SECONDS, None),
    ),
)
SIZE_UNUSUAL = Rule(
    name="size_unusual",
    title="Unusual size",
    about=BackupFacts,
    check=check_size,
    severity=Severity.WARNING,
    explanation=f"Compared with the median of the last {LEAST} to 20 backups of its kind. If it is "
    "too small, data may have been lost or not copied.",
    hint="Compare the contents of this backup with those of the previous one, table by table.",
    resolves_when="The next backup of its kind has a usual size, or the new size has become usual.",
    thresholds=(
        Threshold("small_warning", "Warning when smaller by", Unit.PERCENT, 25),
        Threshold("small_critical", "Critical when smaller by", Unit.PERCENT, 50),
        Threshold("large_notice", "Notice when larger by", Unit.PERCENT, 100),
        Threshold("large_warning", "Warning when larger by", Unit.PERCENT, 400),
        SPREAD,
    ),
)
DURATION_UNUSUAL = Rule(
    name="duration_unusual",
    title="Unusual duration",
    about=BackupFacts,
    check=check_duration,
    severity=Severity.NOTICE,
    explanation=f"Compared with the median of the last {LEAST} to 20 backups of its kind. If it is "
    "much shorter, less data may have been copied.",
    hint="Compare the stages of the job with those of an earlier job.",
    resolves_when="The next backup of its kind has a usual duration, or the new duration has "
    "become usual.",
    thresholds=(
        Threshold("small_warning", "Warning when shorter by", Unit.PERCENT, 80),
        Threshold("small_critical", "Critical when shorter by", Unit.PERCENT, None),
        Threshold("large_notice", "Notice when longer by", Unit.PERCENT, 100),
        Threshold("large_warning", "Warning when longer by", Unit.PERCENT, 300),
        Threshold("slack", "Minimum difference", Unit.MINUTES, 10),
        SPREAD,
    ),
)
RULES = (LOCK_TIME, SIZE_UNUSUAL, DURATION_UNUSUAL)
