"""Does a repository have free space, is it usable, encrypted, and are its keys present?"""

from __future__ import annotations

from alerts.facts.site import CopyFaultFacts, KeyFacts, RepositoryFacts
from alerts.rules.base import STATE_DAMPING, Finding, Limits, Rule, Threshold, Unit
from alerts.states import Severity
from backups.units import format_bytes, format_duration


def check_space(facts: RepositoryFacts, limits: Limits) -> Finding | None:
    """Check the percentage of free space; unknown without both figures."""
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
        message=f"full in {left}, on {facts.full_at:%Y-%m-%d}, at the current rate",
        severity=severity,
        facts={"full_at": facts.full_at.isoformat(), "free_bytes": facts.free_bytes},
    )


def check_measured(facts: RepositoryFacts, limits: Limits) -> Finding | None:
    if not facts.error:
        return None
    return Finding(message=f"the repository is unusable: {facts.error}")


def check_encrypted(facts: RepositoryFacts, limits: Limits) -> Finding | None:
    if facts.encrypted:
        return None
    return Finding(
        message="new backups are not encrypted: anyone with access to the disk can read the data"
    )


def check_copies(facts: CopyFaultFacts, limits: Limits) -> Finding | None:
    count = f"{facts.copies} copies are" if facts.copies > 1 else f"the copy of {facts.label} is"
    return Finding(
        message=f"{count} {facts.fault}: {facts.detail}",
        facts={"fault": facts.fault, "copies": facts.copies, "for_example": facts.label},
    )


def check_key(facts: KeyFacts, limits: Limits) -> Finding | None:
    count = f"{facts.copies} backups" if facts.copies > 1 else facts.label
    return Finding(
        message=f"{count} cannot be decrypted: key {facts.key_id}: {facts.fault}",
        facts={"key": facts.key_id, "copies": facts.copies, "for_example": facts.label},
    )


SPACE_LOW = Rule(
    name="space_low",
    title="Repository is nearly full",
    about=RepositoryFacts,
    check=check_space,
    severity=Severity.WARNING,
    explanation="Measured every 5 minutes. Without free space, every backup to it fails.",
    hint="Purge backups, shorten the retention, or enlarge the disk.",
    resolves_when="Free space has been above the threshold for 5 minutes.",
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
    explanation="Extrapolated from the free space of the last 7 days, once there are at least 2 "
    "days of measurements.",
    hint="Purge backups, shorten the retention, or enlarge the disk.",
    resolves_when="The forecast has been above the threshold for an hour.",
    thresholds=(
        Threshold("warning", "Warning when full within", Unit.DAYS, 14),
        Threshold("critical", "Critical when full within", Unit.DAYS, 3),
    ),
    # Each purge and each backup changes the forecast.
    damping=12 * STATE_DAMPING,
)
REPOSITORY_UNUSABLE = Rule(
    name="repository_unusable",
    title="Repository unusable",
    about=RepositoryFacts,
    check=check_measured,
    severity=Severity.CRITICAL,
    explanation="The repository could not be used: it is not mounted, its object store does not "
    "answer or refuses the credentials, or the worker has no permission to read it.",
    hint="Mount the disk, or restore the permissions of the user that runs the workers; of an "
    "object store check endpoint, bucket and credentials.",
    resolves_when="The repository has been measured successfully for 5 minutes.",
    damping=STATE_DAMPING,
)
UNENCRYPTED = Rule(
    name="unencrypted",
    title="Backups are not encrypted",
    about=RepositoryFacts,
    check=check_encrypted,
    severity=Severity.NOTICE,
    explanation="Encryption is disabled for this repository. This notice stays while it is.",
    hint="Enable encryption for the repository; new backups are encrypted from then on.",
    resolves_when="The repository encrypts new backups, or is disabled.",
)
COPIES_FAULTY = Rule(
    name="copies_faulty",
    title="Stored copies missing or changed",
    about=CopyFaultFacts,
    check=check_copies,
    severity=Severity.EMERGENCY,
    explanation="Every 5 minutes the objects of each repository are compared with the catalog, and "
    "every manifest at least once a day. These copies cannot be relied on for a restore.",
    hint="Check whether the repository's disk was exchanged or emptied, and take new backups now.",
    resolves_when="The copies are found as they were registered, or are purged.",
)
KEY_MISSING = Rule(
    name="key_missing",
    title="Encryption key missing",
    about=KeyFacts,
    check=check_key,
    severity=Severity.EMERGENCY,
    explanation="The data key of every stored copy is decrypted at least once a day as a check. "
    "These copies cannot be restored with the present keys.",
    hint="Restore the key to the key file; checkkeys shows which backups need which key.",
    resolves_when="The copies can be decrypted again, or are purged.",
)
RULES = (SPACE_LOW, FULL_SOON, REPOSITORY_UNUSABLE, UNENCRYPTED, COPIES_FAULTY, KEY_MISSING)
