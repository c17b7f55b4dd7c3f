"""Which copies may be deleted, and why is each of the others kept?

Pure. A copy is kept while anything is a reason to: its policy, a pin, a hold, a lock in its store,
being one of the proven backups that must remain, or a kept backup that cannot be restored without
it. What nothing keeps may be deleted, unless something is wrong: a failed run, a paused schedule,
no proof.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from backups.retention.links import Chains, KeptLink
from backups.retention.policy import Policy, keepers
from backups.units import format_duration

# Of many backups that need another one, only the first are named.
NAMED = 3


@dataclass(frozen=True, slots=True)
class RetentionVerdict:
    """Whether a copy may be deleted, and the reasons either way."""

    may_go: bool
    reasons: tuple[str, ...]
    # When the last known reason to keep it ends; None if that depends on later backups.
    until: datetime | None = None
    # Nothing but a fault keeps it.
    blocked: bool = False

    @property
    def reason(self) -> str:
        return "; ".join(self.reasons)


@dataclass(slots=True)
class _Findings:
    """What is found about one copy on the way to its verdict."""

    reasons: dict[str, datetime | None] = field(default_factory=dict)
    # What cannot be restored without it, and until when that is kept.
    needed_by: dict[str, datetime | None] = field(default_factory=dict)
    blocked: bool = False

    @property
    def until(self) -> datetime | None:
        known = [end for end in self.reasons.values() if end is not None]
        return max(known) if known and len(known) == len(self.reasons) else None


def judge(
    links: Collection[KeptLink], policies: Mapping[int, Policy], now: datetime
) -> dict[int, RetentionVerdict]:
    """Decide about every stored copy of one instance; ``policies`` by the key of its links."""
    newest_first = sorted(
        links,
        key=lambda candidate: (candidate.ended_at, candidate.label, candidate.key),
        reverse=True,
    )
    chains = Chains(newest_first)
    findings = {link.key: _Findings() for link in newest_first}
    _keep_fixed(newest_first, findings)
    _keep_by_policies(newest_first, policies, chains, now, findings)
    shortage = _keep_proven(newest_first, proven_needed(policies), chains, findings)
    _keep_needed(newest_first, chains, shortage, findings)
    return {
        link.key: _verdict(link, policies[link.policy], findings[link.key], now)
        for link in newest_first
    }


def proven_needed(policies: Mapping[int, Policy]) -> int:
    """Return how many proven backups of the instance must remain: what any policy demands."""
    return max(
        (policy.keep_proven for policy in policies.values() if not policy.keeps_everything),
        default=0,
    )


def _keep_fixed(links: Sequence[KeptLink], findings: Mapping[int, _Findings]) -> None:
    for link in links:
        if link.pinned:
            findings[link.key].reasons[link.pinned] = None
        if link.held:
            findings[link.key].reasons[link.held] = link.held_until
        if link.lock is not None:
            findings[link.key].reasons[link.lock.reason] = link.lock.until


def _keep_by_policies(
    newest_first: Sequence[KeptLink],
    policies: Mapping[int, Policy],
    chains: Chains,
    now: datetime,
    findings: Mapping[int, _Findings],
) -> None:
    for key, policy in policies.items():
        own = [link for link in newest_first if link.policy == key]
        # Partial ones are counted apart, by what they have: none stands for another or a whole one.
        for choice in dict.fromkeys(link.choice for link in own):
            alike = [link for link in own if link.choice == choice]
            _keep_alike(alike, policy, chains, now, findings)


def _keep_alike(
    alike: Sequence[KeptLink],
    policy: Policy,
    chains: Chains,
    now: datetime,
    findings: Mapping[int, _Findings],
) -> None:
    copies: dict[str, list[int]] = {}
    for link in alike:
        copies.setdefault(link.label, []).append(link.key)
    for keeper in keepers(policy, alike, chains, now):
        for copy in copies[keeper.label]:
            findings[copy].reasons[keeper.reason] = keeper.until


def _keep_proven(
    newest_first: Sequence[KeptLink], needed: int, chains: Chains, findings: Mapping[int, _Findings]
) -> str:
    """Keep the newest proven backups; return what is missing if there are too few of them."""
    whole = [link for link in newest_first if not link.choice]
    labels = list(dict.fromkeys(link.label for link in whole if chains.proven(link)))
    reason = f"one of the newest proven backups, of which {needed} must remain"
    for link in newest_first:
        if link.label in labels[:needed]:
            findings[link.key].reasons[reason] = None
    if len(labels) >= needed:
        return ""
    has = f"{len(labels)} of {needed} backups" if labels else "no backup"
    return f"nothing is deleted while {has} of the instance is proven restorable and present"


def _keep_needed(
    newest_first: Sequence[KeptLink],
    chains: Chains,
    shortage: str,
    findings: Mapping[int, _Findings],
) -> None:
    """Keep what kept links need, from the ends of the chains to their full backups."""
    depths = {link.key: len(list(chains.with_needed(link))) for link in newest_first}
    for link in sorted(newest_first, key=lambda candidate: depths[candidate.key], reverse=True):
        own = findings[link.key]
        if own.needed_by:
            ends = list(own.needed_by.values())
            known = [end for end in ends if end is not None]
            until = max(known) if len(known) == len(ends) else None
            own.reasons[f"needed to restore {_names(own.needed_by)}"] = until
        elif not own.reasons and (why := link.blocked or shortage):
            own.reasons[why] = None
            own.blocked = True
        if own.reasons and link.base is not None and link.base in findings:
            findings[link.base].needed_by[link.label] = own.until


def _names(labels: Collection[str]) -> str:
    named = ", ".join(sorted(labels)[:NAMED])
    return f"{named} and {len(labels) - NAMED} more" if len(labels) > NAMED else named


def _verdict(link: KeptLink, policy: Policy, own: _Findings, now: datetime) -> RetentionVerdict:
    if own.reasons:
        return RetentionVerdict(False, tuple(own.reasons), own.until, own.blocked)
    age = format_duration(now - link.ended_at)
    return RetentionVerdict(True, (f"{policy}: this one is {age} old",))
