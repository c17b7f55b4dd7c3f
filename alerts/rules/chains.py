"""Is a chain long, do its increments save space, and was a full backup taken instead of one?"""

from __future__ import annotations

from alerts.facts.chain import ChainFacts
from alerts.rules.base import Finding, Limits, Rule, Threshold, Unit
from alerts.states import Severity
from backups.states import BackupKind, KindCause

# The schedule's own setting, or what was requested leaves it open, or the medium.
_REGULAR = (
    KindCause.FULL_OVERDUE,
    KindCause.FULL_OLD,
    KindCause.INCREMENTS_LARGE,
    KindCause.SEQUENTIAL,
)


def check_length(facts: ChainFacts, limits: Limits) -> Finding | None:
    """Where no schedule plans full backups, the limit itself ends a chain: that is no finding."""
    if not facts.links or (facts.links <= facts.most_links and not facts.plans_fulls):
        return None
    severity = limits.risen_to(100 * facts.links / max(facts.most_links, 1))
    if severity is None:
        return None
    return Finding(
        message=f"{facts.label} needs {facts.links} backups before it, of at most "
        f"{facts.most_links}: the next incremental backup will be a full one",
        severity=severity,
        facts={"backup": facts.label, "links": facts.links, "most_links": facts.most_links},
    )


def check_large(facts: ChainFacts, limits: Limits) -> Finding | None:
    percent, in_a_row = limits.number("percent"), limits.number("in_a_row")
    if percent is None or in_a_row is None or not facts.plans_links:
        return None
    newest = facts.shares[: max(1, int(in_a_row))]
    if len(newest) < in_a_row or any(100 * increment.share <= percent for increment in newest):
        return None
    stored = ", ".join(f"{increment.label} {100 * increment.share:.0f} %" for increment in newest)
    return Finding(
        message=f"the newest increments stored more than {percent:g} % of their full backup: "
        f"{stored}",
        facts={"shares": [f"{increment.label}: {increment.share:.2f}" for increment in newest]},
    )


def check_fallback(facts: ChainFacts, limits: Limits) -> Finding | None:
    fallback = facts.fallback
    if fallback is None or fallback.cause in _REGULAR:
        return None
    if fallback.cause == KindCause.NO_BASE and fallback.first:
        return None
    if fallback.cause == KindCause.CHAIN_FULL and not facts.plans_fulls:
        return None
    kind = BackupKind(fallback.requested_kind).label.lower()
    unusable = fallback.cause == KindCause.BASE_UNUSABLE
    return Finding(
        message=f"{facts.label} is a full backup instead of a planned {kind} one: "
        f"{fallback.reason}",
        severity=Severity.WARNING if unusable else None,
        facts={
            "job": fallback.job_id,
            "cause": fallback.cause,
            "ended_at": fallback.ended_at.isoformat(),
        },
        episode=f"job:{fallback.job_id}",
    )


CHAIN_LONG = Rule(
    name="chain_long",
    title="Chain is at its limit",
    about=ChainFacts,
    check=check_length,
    severity=Severity.NOTICE,
    explanation="A restore of the newest backup reads as many backups as the setting "
    "MOORING_MOST_LINKS permits, or more, although a schedule plans full backups. Not where the "
    "limit is what ends chains.",
    hint="Check why no full backup has succeeded since, or plan full backups more often.",
    resolves_when="A full backup succeeds.",
    thresholds=(
        Threshold("notice", "Notice from, of the limit", Unit.PERCENT, 100),
        Threshold("warning", "Warning from, of the limit", Unit.PERCENT, 110),
    ),
)
INCREMENTS_LARGE = Rule(
    name="increments_large",
    title="Increments are as large as full backups",
    about=ChainFacts,
    check=check_large,
    severity=Severity.NOTICE,
    explanation="Each of the newest incremental or differential backups of a chain stored more "
    "than the threshold of what its full backup stored: the chain saves little.",
    hint="Plan full backups more often, or the kind auto, which takes one in this case.",
    resolves_when="A smaller increment or a full backup succeeds, or no increments are planned.",
    thresholds=(
        Threshold("percent", "Share of the full backup above", Unit.PERCENT, 50),
        Threshold("in_a_row", "Increments in a row, at most 5", Unit.COUNT, 2),
    ),
)
FELL_BACK = Rule(
    name="fell_back_to_full",
    title="Full backup instead of an incremental one",
    about=ChainFacts,
    check=check_fallback,
    severity=Severity.NOTICE,
    explanation="An incremental or differential backup could not go on from an earlier one, so a "
    "full backup was taken: it took longer and stored more. Warning if the earlier backup cannot "
    "be used. Not for the first backup of an instance, nor where a setting asks for the full one.",
    hint="Check the backup that the message names, and the repositories of the schedules.",
    resolves_when="A later incremental or differential backup succeeds, or a planned full one.",
)
RULES = (CHAIN_LONG, INCREMENTS_LARGE, FELL_BACK)
