"""What a scenario is: what happens when, the outcome of the runs, and the notifications."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from alerts.models import RuleSetting
from backups.jobs.cancel import request_cancel
from backups.jobs.request import create_backup_job
from backups.models import BackupSchedule, Instance, Job, Repository
from tests.backups.planning import make_schedule, statuses
from tests.scenarios.night import DUE, Night

H, M = timedelta(hours=1), timedelta(minutes=1)
Event = Callable[[Night], object]


@dataclass(frozen=True)
class Scenario:
    """One night of ``shop-0``, due at 02:00, late at 02:04, missed at 02:12."""

    name: str
    # What happens, by how long after the due moment; each before the round of that minute.
    events: Mapping[timedelta, Event]
    # The outcome of the planned runs, with their reasons.
    became: Sequence[tuple[str, str]]
    # Titles in the order in which they were sent; … stands for any words.
    notified: Sequence[str]
    until: timedelta = 25 * M
    # Any: columns of the schedule that differ.
    schedule: Mapping[str, Any] = field(default_factory=dict)
    standing: Sequence[str] = ()

    def play(self, night: Night) -> None:
        make_fleet(**self.schedule)
        for offset, event in sorted(self.events.items(), key=lambda each: each[0]):
            night.until(max(DUE + offset - M, night.now))
            event(night)
        night.until(self.until)
        assert_notified(night.notified(), self.notified)
        assert statuses() == list(self.became)
        assert night.standing() == sorted(self.standing)


def make_fleet(count: int = 1, **columns: Any) -> BackupSchedule:
    """Any: columns of the schedule."""
    instances = [
        Instance.objects.create(name=f"shop-{number}", host=f"shop-{number}", engine="fake")
        for number in range(count)
    ]
    # Silence is measured by a clock that nobody moves.
    RuleSetting.objects.create(rule="job_stalled", enabled=False)
    plain = {"window": 12 * M, "grace": 4 * M, "retry_delay": 4 * M, "saved_at": DUE - 5 * M}
    return make_schedule(*instances, **{**plain, **columns})


def assert_notified(notified: Sequence[str], expected: Sequence[str]) -> None:
    fits = len(notified) == len(expected) and all(map(_reads, notified, expected))
    assert fits, "notified:\n  " + "\n  ".join(notified) + "\nexpected:\n  " + "\n  ".join(expected)


def _reads(title: str, words: str) -> bool:
    first, *parts = words.split("…")
    if not parts:
        return title == words
    if not title.startswith(first) or not title.endswith(parts[-1]):
        return False
    at = len(first)
    for part in parts:
        found = title.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return True


def sets(name: str, value: object) -> Event:
    return lambda night: setattr(night, name, value)


def broker(*, away: bool) -> Event:
    return lambda night: setattr(night.broker, "away", away)


def hang(night: Night) -> None:
    """Let copies stop in the middle and wait."""
    night.engine.blocks_after, night.engine.goes_on = 2, True


def go_on(night: Night) -> None:
    night.engine.stopped.set()
    ended(night)


def ended(night: Night) -> None:
    """Wait for the job that hangs: it continues, or was ordered to end."""
    if night.engine.released is not None:
        night.engine.released.set()
    night.jobs[0].end()
    night.engine.blocks_after = None


def hang_until_stopped(night: Night) -> None:
    """Let copies stop in the middle; an ordered end is seen when the night comes to it."""
    night.engine.blocks_after, night.engine.released = 2, threading.Event()


def fails(night: Night) -> None:
    night.engine.fails_after = 2


def works(night: Night) -> None:
    night.engine.fails_after = None


def by_hand(night: Night, instance: Instance | None = None) -> None:
    """A person takes the backup that is missing."""
    create_backup_job(instance or Instance.objects.get())


def cancel(night: Night) -> None:
    request_cancel(Job.objects.get(), actor="ada")
    ended(night)


def unmount(night: Night) -> None:
    path = Path(Repository.objects.get().path)
    path.rename(path.with_name("elsewhere"))


def mount(night: Night) -> None:
    path = Path(Repository.objects.get().path)
    path.with_name("elsewhere").rename(path)


def fill_up(night: Night) -> None:
    night.free = 0
    path = Repository.objects.get().path
    night.engine.failure = OSError(28, "No space left on device", f"{path}/packs/000001.pack")
    fails(night)


def make_room(night: Night) -> None:
    night.free = 800 << 30
    works(night)


def leave(night: Night) -> None:
    night.away.add("shop-0")


def come_back(night: Night) -> None:
    night.away.clear()


def pause(night: Night) -> None:
    BackupSchedule.objects.update(paused_at=night.now, paused_reason="moving house")


def resume(night: Night) -> None:
    BackupSchedule.objects.update(paused_at=None, paused_reason="")


def both(*events: Event) -> Event:
    return lambda night: [event(night) for event in events]
