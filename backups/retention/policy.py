"""What does a schedule or a repository keep of its restorable backups, and why?

Pure. Only what can be restored stands for a chain or a period: a damaged backup within the
recovery window is kept beside those, not instead of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from backups.retention.links import Chains, KeptLink
from backups.retention.periods import PeriodCounts, newest_of_periods
from backups.units import format_duration


class Keeper(NamedTuple):
    """A reason to keep a backup, and when it ends; None if that depends on later backups."""

    label: str
    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What is kept. Without window, chains and periods that is everything."""

    # "schedule nightly", as in messages.
    owner: str
    # The recovery window.
    keep_for: timedelta | None = None
    keep_least: int = 3
    keep_chains: int = 0
    periods: PeriodCounts = field(default_factory=PeriodCounts)
    # How many proven backups of the instance must remain.
    keep_proven: int = 1
    time_zone: str = "UTC"

    @property
    def keeps_everything(self) -> bool:
        return self.keep_for is None and not self.keep_chains and not self.periods

    def __str__(self) -> str:
        if self.keeps_everything:
            return f"{self.owner} keeps everything"
        parts = [] if self.keep_for is None else [_written(self.keep_for)]
        if self.keep_chains:
            parts.append(f"{self.keep_chains} chains")
        parts += [f"{count} {kind}" for kind, count in self.periods.counts().items() if count]
        return f"{self.owner} keeps {', '.join(parts)} and at least {max(1, self.keep_least)}"


def keepers(
    policy: Policy, newest_first: Sequence[KeptLink], chains: Chains, now: datetime
) -> Iterator[Keeper]:
    """Yield why backups of this policy are kept; ``newest_first`` are all their copies."""
    if policy.keeps_everything:
        yield from (Keeper(link.label, str(policy)) for link in newest_first)
        return
    series = _restorable(newest_first, chains)
    if policy.keep_for is not None:
        yield from _in_window(policy.keep_for, newest_first, series, now)
    least = max(1, policy.keep_least)
    for link in series[:least]:
        yield Keeper(link.label, "the newest" if least == 1 else f"one of the {least} newest")
    if policy.keep_chains:
        yield from _of_newest_chains(policy.keep_chains, series, chains)
    moments = [link.ended_at for link in series]
    for position, names in newest_of_periods(moments, policy.periods, policy.time_zone).items():
        for name in names:
            yield Keeper(series[position].label, name)


def _restorable(newest_first: Sequence[KeptLink], chains: Chains) -> list[KeptLink]:
    """Return one restorable copy of each backup."""
    restorable: dict[str, KeptLink] = {}
    for link in newest_first:
        if link.label not in restorable and chains.restorable(link):
            restorable[link.label] = link
    return list(restorable.values())


def _in_window(
    length: timedelta, newest_first: Sequence[KeptLink], series: Sequence[KeptLink], now: datetime
) -> Iterator[Keeper]:
    """Yield what is younger, and the newest one before: it restores the window's beginning."""
    written = _written(length)
    newer: datetime | None = None
    ends: dict[str, datetime | None] = {}
    for link in series:
        # It covers the beginning of the window until the next one does.
        ends[link.label] = None if newer is None else newer + length
        if now - link.ended_at >= length:
            reason = f"restores the beginning of the recovery window of {written}"
            yield Keeper(link.label, reason, ends[link.label])
            break
        newer = link.ended_at
    for link in newest_first:
        if now - link.ended_at < length:
            until = ends.get(link.label, link.ended_at + length)
            yield Keeper(link.label, f"in the recovery window of {written}", until)


def _of_newest_chains(count: int, series: Sequence[KeptLink], chains: Chains) -> Iterator[Keeper]:
    roots = {link.label: chains.root(link) for link in series}
    by_age = sorted(roots.values(), key=lambda root: (root.ended_at, root.label), reverse=True)
    newest = list(dict.fromkeys(root.label for root in by_age))[:count]
    reason = "of the newest chain" if count == 1 else f"of one of the {count} newest chains"
    for link in series:
        if roots[link.label].label in newest:
            yield Keeper(link.label, reason)


def _written(length: timedelta) -> str:
    """Write a configured length: whole days without the hours."""
    days, rest = divmod(length, timedelta(days=1))
    return f"{days} d" if days and not rest else format_duration(length)
