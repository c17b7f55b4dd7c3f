"""Which silences are active, upcoming or past, and what do they match?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet

from alerts.models import Silence
from alerts.routing.silences import matcher_of
from alerts.states import Severity
from backups.exceptions import BadInput
from backups.schedule import DueTime, Rhythm, check_rhythm, preview
from monitor.selectors.alerts import title_of

PAGE_SIZE = 25
TIMES = 5
MOST_NAMED = 4
STATES = ("active", "coming", "past")


@dataclass(frozen=True, slots=True)
class SilenceTime:
    """One occurrence of a recurring silence."""

    slot: DueTime
    until: datetime


@dataclass(frozen=True, slots=True)
class SilenceRow:
    silence: Silence
    # Whether it silences at this moment: a recurring one has gaps.
    active_now: bool
    next_times: Sequence[SilenceTime]

    @property
    def matches(self) -> str:
        """What it matches, as text."""
        row = self.silence
        words = [title_of(row.rule) if row.rule else "all alerts"]
        for kind, chosen in (
            ("instance", row.instances), ("group", row.groups), ("tag", row.tags),
            ("schedule", row.schedules),
        ):  # fmt: skip
            names = [str(item) for item in chosen.all()]
            if names:
                more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
                words.append(f"{kind} {', '.join(names[:MOST_NAMED])}{more}")
        if row.max_severity < Severity.EMERGENCY:
            words.append(f"up to {Severity(row.max_severity).label.lower()}")
        return "; ".join(words)


@dataclass(frozen=True, slots=True)
class SilenceList:
    """One page of silences in one state, and how many there are in each."""

    state: str
    page: Page[Silence]
    rows: Sequence[SilenceRow]
    counts: Sequence[tuple[str, int]]


def load_silence_list(state: str, page: str | None, now: datetime) -> SilenceList:
    state = state if state in STATES else STATES[0]
    counts = [(name, _in_state(name, now).count()) for name in STATES]
    rows = _in_state(state, now).select_related("created_by")
    rows = rows.prefetch_related("instances", "groups", "tags", "schedules")
    shown = Paginator(rows.order_by("-starts_at", "-id"), PAGE_SIZE).get_page(page)
    return SilenceList(state, shown, [_row(silence, now) for silence in shown], counts)


def next_times(
    rhythm: Rhythm | None,
    duration: timedelta | None,
    starts_at: datetime | None,
    ends_at: datetime | None,
    now: datetime,
) -> list[SilenceTime]:
    """Return the next times of a recurring silence, between its start and end."""
    if rhythm is None or duration is None:
        return []
    try:
        check_rhythm(rhythm)
        after = max(now, starts_at) if starts_at else now
        slots = preview(rhythm, after, TIMES)
    except BadInput:
        return []
    within = takewhile(lambda slot: ends_at is None or slot.at < ends_at, slots)
    return [
        SilenceTime(slot, min(slot.at + duration, ends_at) if ends_at else slot.at + duration)
        for slot in within
    ]


def _in_state(state: str, now: datetime) -> QuerySet[Silence]:
    not_ended = Q(ends_at=None) | Q(ends_at__gt=now)
    if state == "past":
        return Silence.objects.filter(~not_ended)
    started = Q(starts_at__lte=now) if state == "active" else Q(starts_at__gt=now)
    return Silence.objects.filter(not_ended, started)


def _row(silence: Silence, now: datetime) -> SilenceRow:
    rhythm = Rhythm(silence.cron, silence.time_zone, None, now) if silence.cron else None
    times = next_times(rhythm, silence.duration, silence.starts_at, silence.ends_at, now)
    return SilenceRow(silence, matcher_of(silence).is_active_at(now), times)
