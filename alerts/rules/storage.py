"""Does a repository have room, is it there, and can what is in it be read by us alone?"""

from __future__ import annotations

from alerts.facts.site import KeyFacts, RepositoryFacts
from alerts.rules.base import STATE_DAMPING, Finding, Limits, Rule, Threshold, Unit
from alerts.states import Severity
from backups.units import format_bytes, format_duration


def check_space(facts: RepositoryFacts, limits: Limits) -> Finding | None:
    """Look at the share that is free, unknown where either figure is."""
    if facts.free_bytes is None or not facts.total_bytes:
        return None
    percent = 100 * facts.free_bytes / facts.total_bytes
    severity = limits.fallen_to(percent)
    if severity is None:
        return None
    return Finding(
        message=f"{percent:.1f} % free: {format_bytes(facts.free_bytes)} of "
        f"{format_bytes(facts.total_bytes)}",
        severity=severity,
        facts={"free_bytes": facts.free_bytes, "total_bytes": facts.total_bytes},
    )


def check_forecast(facts: RepositoryFacts, limits: Limits) -> Finding | None:
    if facts.full_at is None:
        return None
    days = max(0.0, (facts.full_at - facts.now).total_seconds() / 86_400)
    severity = limits.fallen_to(days)
    if severity is None:
        return None
    left = format_duration(max(facts.full_at - facts.now, facts.now - facts.now))
    return Finding(
        message=f"full in {left}, on {facts.full_at:%Y-%m-%d}, if it fills as it did lately",
        severity=severity,
        facts={"full_at": facts.full_at.isoformat(), "free_bytes": facts.free_bytes},
    )


def check_measured(facts: RepositoryFacts, limits: Limits) -> Finding | None:
    if not facts.error:
        return None
    return Finding(message=f"the repository cannot be used: {facts.error}")


def check_encrypted(facts: RepositoryFacts, limits: Limits) -> Finding | None:
    if facts.encrypted:
        return None
    return Finding(message="new backups are not encrypted: whoever reads the disk reads the data")


def check_key(facts: KeyFacts, limits: Limits) -> Finding | None:
    count = f"{facts.copies} backups" if facts.copies > 1 else facts.label
    return Finding(
        message=f"no key at hand opens {count} under key {facts.key_id}: {facts.fault}",
        facts={"key": facts.key_id, "copies": facts.copies, "for_example": facts.label},
    )


SPACE_LOW = Rule(
    name="space_low",
    title="Repository is nearly full",
    about=RepositoryFacts,
    check=check_space,
    severity=Severity.WARNING,
    explanation="Measured every 5 minutes. When nothing is free, every backup into it fails.",
    hint="Purge backups, shorten how long they are kept, or make the disk bigger.",
    over="More has been free for 5 minutes.",
    thresholds=(
        Threshold("warning", "Warning at or below", Unit.PERCENT, 15),
        Threshold("critical", "Critical at or below", Unit.PERCENT, 7),
        Threshold("emergency", "Emergency at or below", Unit.PERCENT, 2),
    ),
    damping=STATE_DAMPING,
)
FULL_SOON = Rule(
    name="full_soon",
    title="Repository will be full soon",
    about=RepositoryFacts,
    check=check_forecast,
    severity=Severity.WARNING,
    explanation="The line through the free space of the last 7 days, continued to nothing. Not "
    "judged before there are 2 days of it.",
    hint="Purge backups, shorten how long they are kept, or make the disk bigger.",
    over="The line reaches nothing later, or never, for an hour.",
    thresholds=(
        Threshold("warning", "Warning when full within", Unit.DAYS, 14),
        Threshold("critical", "Critical when full within", Unit.DAYS, 3),
    ),
    # A purge and the next backup move the line to and fro.
    damping=12 * STATE_DAMPING,
)
REPOSITORY_UNUSABLE = Rule(
    name="repository_unusable",
    title="Repository cannot be used",
    about=RepositoryFacts,
    check=check_measured,
    severity=Severity.CRITICAL,
    explanation="A tick could not measure the repository: it is not mounted, or this host may "
    "not read it.",
    hint="Mount the disk, or give the user the workers run as its rights back.",
    over="It could be measured for 5 minutes.",
    damping=STATE_DAMPING,
)
UNENCRYPTED = Rule(
    name="unencrypted",
    title="Backups are not encrypted",
    about=RepositoryFacts,
    check=check_encrypted,
    severity=Severity.NOTICE,
    explanation="Encryption is never off silently.",
    hint="Switch encryption on for the repository; new backups are sealed from then on.",
    over="The repository encrypts new backups, or is disabled.",
)
KEY_MISSING = Rule(
    name="key_missing",
    title="A key cannot open its backups",
    about=KeyFacts,
    check=check_key,
    severity=Severity.EMERGENCY,
    explanation="A tick opens the data key of every stored copy at least once a day. These "
    "cannot be restored with the keys this installation has.",
    hint="Put the key back into the key file: checkkeys shows which backups need which.",
    over="The keys open again, or the copies are gone.",
)
RULES = (SPACE_LOW, FULL_SOON, REPOSITORY_UNUSABLE, UNENCRYPTED, KEY_MISSING)
