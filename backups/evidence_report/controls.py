"""Which controls were met for an instance, and by what is each judged?

Pure: facts in, answers out. What is not known is neither met nor missed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from backups.units import format_count, format_duration


@dataclass(frozen=True, slots=True)
class KeptBackup:
    """A backup that ended in the period or was deleted in it."""

    label: str
    ended_at: datetime
    # Of its copies: how many there are, and how many are encrypted.
    copies: int
    encrypted: int
    # How long its schedule keeps it; None: no recovery window, or no schedule.
    keep_for: timedelta | None = None
    # When its last copy was deleted; None: it is stored.
    gone_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class GuardedRepository:
    """What stands between a repository's copies and their deletion."""

    name: str
    purge_delay: timedelta
    two_admins: bool = False
    locked: bool = False
    # Why nobody can delete them, as entered; blank is not known.
    undeletable_by: str = ""

    @property
    def guards(self) -> list[str]:
        found = [self.undeletable_by] if self.undeletable_by else []
        if self.locked:
            found.append("locks of the store")
        if self.two_admins:
            found.append("two admins")
        if self.purge_delay:
            found.append(f"a delay of {format_duration(self.purge_delay)}")
        return found


@dataclass(frozen=True, slots=True)
class ControlFacts:
    """What is known of one instance in a period, up to ``at``."""

    since: datetime
    at: datetime
    # The ends of good backups in the period, and of the last one before it; the oldest first.
    backups_at: Sequence[datetime]
    # Since when it is known to Mooring: before that nothing could be taken.
    known_since: datetime
    longest_gap: timedelta
    drilled_within: timedelta
    backups: Sequence[KeptBackup] = ()
    repositories: Sequence[GuardedRepository] = ()
    # When it last passed a restore test; None: never.
    drilled_at: datetime | None = None
    # Each of 3-2-1-1-0: what is wanted, whether it is met, and what there is.
    spread: Sequence[tuple[str, bool | None, str]] = ()
    scheduled: bool = True


@dataclass(frozen=True, slots=True)
class Control:
    """One answer. ``met`` None is unknown."""

    name: str
    wanted: str
    met: bool | None
    found: str


def judge_controls(facts: ControlFacts) -> Iterator[Control]:
    """Yield the controls in the order of a report."""
    yield _frequency(facts)
    yield _retention(facts)
    yield _encryption(facts)
    for wanted, met, found in facts.spread:
        yield Control("copies", wanted, met, found)
    yield _drilled(facts)
    yield _guarded(facts)


def _frequency(facts: ControlFacts) -> Control:
    wanted = f"a backup at least every {format_duration(facts.longest_gap)}"
    if not facts.scheduled:
        wanted = f"{wanted}, and a schedule"
    # A month is not answerable for a gap that began before the instance was known.
    start = max(facts.since, facts.known_since)
    before = [at for at in facts.backups_at if at <= start]
    marks = [before[-1] if before else start]
    marks += [at for at in facts.backups_at if at > start]
    marks.append(facts.at)
    gaps = [(later - sooner, sooner) for sooner, later in pairwise(marks)]
    longest, began = max(gaps, key=lambda gap: gap[0])
    found = f"the longest time without one was {format_duration(longest)}, from {_moment(began)}"
    if not facts.backups_at:
        return Control("frequency", wanted, False, "no backup was taken")
    if not facts.scheduled:
        return Control("frequency", wanted, False, f"no schedule covers it; {found}")
    return Control("frequency", wanted, longest <= facts.longest_gap, found)


def _retention(facts: ControlFacts) -> Control:
    wanted = "no backup is deleted before its recovery window ends"
    windows = [backup for backup in facts.backups if backup.keep_for is not None]
    early = [
        backup.label
        for backup in windows
        if backup.keep_for is not None
        and backup.gone_at is not None
        and backup.gone_at < backup.ended_at + backup.keep_for
    ]
    if early:
        return Control("retention", wanted, False, f"deleted earlier: {', '.join(early[:10])}")
    if not windows:
        return Control("retention", wanted, None, "no backup has a recovery window")
    return Control("retention", wanted, True, f"{format_count(len(windows), 'backup')} kept to it")


def _encryption(facts: ControlFacts) -> Control:
    wanted = "every copy is encrypted"
    clear = [backup.label for backup in facts.backups if backup.encrypted < backup.copies]
    copies = sum(backup.copies for backup in facts.backups)
    if clear:
        found = f"not encrypted: copies of {', '.join(clear[:10])}"
        return Control("encryption", wanted, False, found)
    if not copies:
        return Control("encryption", wanted, None, "no copy is from this period")
    return Control("encryption", wanted, True, f"all of {format_count(copies, 'copy', 'copies')}")


def _drilled(facts: ControlFacts) -> Control:
    wanted = f"a restore test passed within {facts.drilled_within.days} days"
    if facts.drilled_at is None:
        return Control("proven", wanted, False, "none has passed")
    age = facts.at - facts.drilled_at
    found = f"the last one passed {format_duration(age)} before, on {_moment(facts.drilled_at)}"
    return Control("proven", wanted, age <= facts.drilled_within, found)


def _guarded(facts: ControlFacts) -> Control:
    wanted = "no one person can delete its backups at once"
    if not facts.repositories:
        return Control("deletion guarded", wanted, None, "no repository has a copy of it")
    open_to_all = [each.name for each in facts.repositories if not each.guards]
    if open_to_all:
        found = f"nothing guards {', '.join(open_to_all)}"
        return Control("deletion guarded", wanted, False, found)
    found = "; ".join(f"{each.name}: {', '.join(each.guards)}" for each in facts.repositories)
    return Control("deletion guarded", wanted, True, found)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
