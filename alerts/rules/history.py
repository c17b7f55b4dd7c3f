"""Is the newest backup unlike the ones before it: its locks, its size, how long it took?"""

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
    severity = _unlike(size, usual, limits)
    if severity is None:
        return None
    return Finding(
        message=f"{facts.backup.label} is {_share(size, usual)} than usual: {format_bytes(size)}, "
        f"the median of {usual.count} before it is {format_bytes(round(usual.median))}",
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
    took, usual = facts.backup.run_time, facts.usual_seconds
    if usual is None:
        return None
    seconds = took.total_seconds()
    slack = limits.length("slack")
    if slack is not None and abs(seconds - usual.median) < slack.total_seconds():
        return None
    severity = _unlike(seconds, usual, limits)
    if severity is None:
        return None
    median = format_duration(timedelta(seconds=usual.median))
    longer = "longer" if seconds > usual.median else "shorter"
    return Finding(
        message=f"{facts.backup.label} took {format_duration(took)}, much {longer} than usual: "
        f"the median of {usual.count} before it is {median}",
        severity=severity,
        facts={
            "backup": facts.backup.label,
            "seconds": seconds,
            "median_s": usual.median,
            "deviation_s": usual.deviation,
        },
        episode=f"backup:{facts.backup.id}",
    )


def _unlike(figure: float, usual: Norm, limits: Limits) -> Severity | None:
    """Judge by the distance in percent, but never what is within the usual spread."""
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
    return f"{percent:.0f} % {'bigger' if size > usual.median else 'smaller'}"


SMALL = {"small_critical": Severity.CRITICAL, "small_warning": Severity.WARNING}
LARGE = {"large_warning": Severity.WARNING, "large_notice": Severity.NOTICE}
SPREAD = Threshold("spread", "Only beyond this many deviations (MAD)", Unit.TIMES, 4)

LOCK_TIME = Rule(
    name="lock_time",
    title="Locks were held too long",
    about=BackupFacts,
    check=check_lock,
    severity=Severity.NOTICE,
    explanation="While a backup holds its locks, writers of the instance wait.",
    hint="Look for long queries and tables that are not InnoDB: the backup waits for them.",
    over="The next backup of its kind holds them for less.",
    thresholds=(
        Threshold("notice", "Notice from", Unit.SECONDS, 10),
        Threshold("warning", "Warning from", Unit.SECONDS, 60),
        Threshold("critical", "Critical from", Unit.SECONDS, None),
    ),
)
SIZE_UNUSUAL = Rule(
    name="size_unusual",
    title="Size is unlike its history",
    about=BackupFacts,
    check=check_size,
    severity=Severity.WARNING,
    explanation=f"Compared with the median of up to 20 backups of its kind before it, at least "
    f"{LEAST}. Too small is the alarm: data may be gone, or was not copied.",
    hint="Compare the contents of this backup with the one before it, table by table.",
    over="The next backup of its kind is as usual; or the new size has become the usual one.",
    thresholds=(
        Threshold("small_warning", "Warning when smaller by", Unit.PERCENT, 25),
        Threshold("small_critical", "Critical when smaller by", Unit.PERCENT, 50),
        Threshold("large_notice", "Notice when bigger by", Unit.PERCENT, 100),
        Threshold("large_warning", "Warning when bigger by", Unit.PERCENT, 400),
        SPREAD,
    ),
)
DURATION_UNUSUAL = Rule(
    name="duration_unusual",
    title="Duration is unlike its history",
    about=BackupFacts,
    check=check_duration,
    severity=Severity.NOTICE,
    explanation=f"Compared with the median of up to 20 backups of its kind before it, at least "
    f"{LEAST}. Much shorter can mean that less was copied.",
    hint="Compare the stages of the job with those of an earlier one.",
    over="The next backup of its kind is as usual; or the new duration has become the usual one.",
    thresholds=(
        Threshold("small_warning", "Warning when shorter by", Unit.PERCENT, 80),
        Threshold("small_critical", "Critical when shorter by", Unit.PERCENT, None),
        Threshold("large_notice", "Notice when longer by", Unit.PERCENT, 100),
        Threshold("large_warning", "Warning when longer by", Unit.PERCENT, 300),
        Threshold("slack", "Only with a difference of at least", Unit.MINUTES, 10),
        SPREAD,
    ),
)
RULES = (LOCK_TIME, SIZE_UNUSUAL, DURATION_UNUSUAL)
