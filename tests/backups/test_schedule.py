"""Due times of a rhythm, on the days when the clocks change too, and the edges of a window."""

# What a clock on the wall shows has no zone: that is the point.
# ruff: noqa: DTZ001

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from backups.exceptions import BadInput
from backups.schedule import (
    Punctuality,
    Rhythm,
    check_rhythm,
    longest_pause,
    next_due_time,
    preview,
    span_of,
    stagger_of,
    upcoming,
)

T0 = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


def cron(expression: str, zone: str = "UTC") -> Rhythm:
    return Rhythm(expression, zone, None, T0)


def due_times_between(rhythm: Rhythm, first: datetime, last: datetime) -> list[datetime]:
    times = upcoming(rhythm, first - timedelta(microseconds=1))
    return [due.at for due in takewhile(lambda due: due.at <= last, times)]


def on(day: datetime, rhythm: Rhythm) -> list[str]:
    """The due times of a local day, in UTC."""
    begins = day.replace(tzinfo=ZoneInfo(rhythm.time_zone))
    ends = (day + timedelta(days=1)).replace(tzinfo=ZoneInfo(rhythm.time_zone))
    first, last = begins.astimezone(UTC), ends.astimezone(UTC) - timedelta(seconds=1)
    return [f"{due:%d %H:%M}" for due in due_times_between(rhythm, first, last)]


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (timedelta(microseconds=-1), Punctuality.NOT_DUE),
        (timedelta(0), Punctuality.DUE),
        (timedelta(minutes=30, microseconds=-1), Punctuality.DUE),
        (timedelta(minutes=30), Punctuality.LATE),
        (timedelta(hours=4, microseconds=-1), Punctuality.LATE),
        (timedelta(hours=4), Punctuality.MISSED),
    ],
)
def test_every_boundary(offset: timedelta, expected: Punctuality) -> None:
    span = span_of(T0, grace=timedelta(minutes=30), window=timedelta(hours=4))
    assert span.punctuality(T0 + offset) is expected


@pytest.mark.parametrize(
    ("zone", "expression", "day", "times"),
    [
        # Clocks go forward: 02:00 to 03:00, in Lord Howe 02:00 to 02:30.
        (BERLIN, "30 2 * * *", datetime(2026, 3, 29), ["29 01:00"]),
        (BERLIN, "59 1 * * *", datetime(2026, 3, 29), ["29 00:59"]),
        (BERLIN, "0 3 * * *", datetime(2026, 3, 29), ["29 01:00"]),
        (BERLIN, "*/20 2,3 * * *", datetime(2026, 3, 29), ["29 01:00", "29 01:20", "29 01:40"]),
        (NEW_YORK, "30 2 * * *", datetime(2026, 3, 8), ["08 07:00"]),
        (LORD_HOWE, "15 2 * * *", datetime(2026, 10, 4), ["03 15:30"]),
        (LORD_HOWE, "30 2 * * *", datetime(2026, 10, 4), ["03 15:30"]),
        # Clocks go back: 02:00 to 03:00 comes twice, in Lord Howe 01:30 to 02:00.
        (BERLIN, "30 2 * * *", datetime(2026, 10, 25), ["25 00:30"]),
        (BERLIN, "0 3 * * *", datetime(2026, 10, 25), ["25 02:00"]),
        (BERLIN, "30 */2 * * *", datetime(2026, 10, 25), [
            "24 22:30", "25 00:30", "25 03:30", "25 05:30", "25 07:30", "25 09:30", "25 11:30",
            "25 13:30", "25 15:30", "25 17:30", "25 19:30", "25 21:30",
        ]),
        (NEW_YORK, "30 1 * * *", datetime(2026, 11, 1), ["01 05:30"]),
        (LORD_HOWE, "45 1 * * *", datetime(2026, 4, 5), ["04 14:45"]),
    ],
)  # fmt: skip
def test_a_slot_in_a_gap_or_a_fold_runs_once(
    zone: str, expression: str, day: datetime, times: list[str]
) -> None:
    assert on(day, cron(expression, zone)) == times


@pytest.mark.parametrize(("day", "hours"), [(29, 23), (30, 24)])
def test_an_hourly_schedule_follows_time_as_it_passes(day: int, hours: int) -> None:
    times = on(datetime(2026, 3, day), cron("30 * * * *", BERLIN))
    assert len(times) == len(set(times)) == hours
    assert len(on(datetime(2026, 10, 25), cron("30 * * * *", BERLIN))) == 25


def test_from_within_a_fold_the_next_slot_is_tomorrow() -> None:
    rhythm = cron("30 2 * * *", BERLIN)
    for minute in (30, 59):
        # The second time the clock shows this.
        now = datetime(2026, 10, 25, 1, minute, tzinfo=UTC)
        assert next_due_time(rhythm, now) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_from_the_end_of_a_gap_the_next_slot_is_tomorrow() -> None:
    rhythm = cron("30 2 * * *", BERLIN)
    end = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert next_due_time(rhythm, end - timedelta(seconds=1)) == end
    assert next_due_time(rhythm, end) == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "expression", "odd_days"),
    [
        (BERLIN, "30 2 * * *", {(3, 29)}),
        (NEW_YORK, "15 1 * * 1-6", set()),
        (LORD_HOWE, "0 4 1,15 * *", set()),
    ],
)
def test_a_year_slot_by_slot_as_another_library_reckons(
    zone: str, expression: str, odd_days: set[tuple[int, int]]
) -> None:
    where = ZoneInfo(zone)
    first = datetime(2026, 1, 1, tzinfo=where).astimezone(UTC)
    last = datetime(2027, 1, 1, tzinfo=where).astimezone(UTC)
    ours = due_times_between(cron(expression, zone), first, last - timedelta(seconds=1))
    # It steps through a wall clock that never lies; what a zone makes of it is Python's.
    walls = croniter(expression, datetime(2025, 12, 31, 23, 59, 59))
    theirs, wall = [], walls.get_next(datetime)
    while wall.year == 2026:
        theirs.append(wall.replace(tzinfo=where).astimezone(UTC))
        wall = walls.get_next(datetime)
    assert len(ours) == len(theirs) > 20
    odd = {
        (mine.month, mine.day) for mine, other in zip(ours, theirs, strict=True) if mine != other
    }
    assert odd == odd_days


def test_every_few_hours_is_counted_from_the_anchor_and_knows_no_clocks() -> None:
    rhythm = Rhythm("", BERLIN, 6, datetime(2026, 3, 28, 21, 15, tzinfo=UTC))
    times = [due.at for due in preview(rhythm, rhythm.anchor_at, 3)]
    assert [f"{due:%d %H:%M}" for due in times] == ["29 03:15", "29 09:15", "29 15:15"]
    early = next_due_time(rhythm, rhythm.anchor_at - timedelta(hours=6, seconds=1))
    assert early == rhythm.anchor_at - timedelta(hours=6)


@pytest.mark.parametrize(
    ("rhythm", "hours"),
    [
        (cron("30 2 * * *"), 24),
        (cron("30 2 * * 1-5"), 72),
        (cron("0 1,13 * * *"), 12),
        (Rhythm("", "UTC", 6, T0), 6),
    ],
)
def test_the_longest_pause_between_two_runs(rhythm: Rhythm, hours: int) -> None:
    assert longest_pause(rhythm, T0) == timedelta(hours=hours)


def test_a_preview_says_what_the_clocks_do() -> None:
    shown = preview(cron("30 2 * * *", BERLIN), datetime(2026, 3, 28, 12, tzinfo=UTC), 2)
    assert [f"{due.local:%d %H:%M %Z}" for due in shown] == ["29 03:00 CEST", "30 02:30 CEST"]
    assert shown[0].note == "clocks go forward: 02:30 does not exist, runs at 03:00"
    assert shown[1].note == ""
    (back,) = preview(cron("30 2 * * *", BERLIN), datetime(2026, 10, 24, 12, tzinfo=UTC), 1)
    assert back.note == "clocks go back: 02:30 comes twice, runs the first time"
    hourly = preview(cron("30 * * * *", BERLIN), datetime(2026, 10, 25, 0, 0, tzinfo=UTC), 3)
    assert [bool(due.note) for due in hourly] == [True, True, False]
    assert "runs both times" in hourly[0].note


@pytest.mark.parametrize(
    ("expression", "zone", "error"),
    [
        ("61 2 * * *", "UTC", "cannot be read: bad minute"),
        ("0 25 * * *", "UTC", "cannot be read: bad hour"),
        ("0 2 * *", "UTC", "has 4 fields"),
        ("0 0 2 * * *", "UTC", "has 6 fields"),
        ("@daily", "UTC", "has 1 fields"),
        ("0 2 31 2 *", "UTC", "cannot be read: bad day-of-month"),
        ("0 2 * * *", "Europe/Berlim", "there is no time zone 'Europe/Berlim'"),
        ("0 2 * * *", "../../etc/passwd", "there is no time zone"),
        ("0 2 * * *", "", "there is no time zone"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(expression: str, zone: str, error: str) -> None:
    with pytest.raises(BadInput, match=error):
        check_rhythm(cron(expression, zone))


def test_a_stagger_is_stable_and_inside_its_length() -> None:
    length = timedelta(hours=1)
    offsets = [stagger_of(f"instance {number}", 7, length) for number in range(500)]
    assert offsets == [stagger_of(f"instance {number}", 7, length) for number in range(500)]
    assert all(timedelta(0) <= offset < length for offset in offsets)
    # Spread over the whole of it, and differently for another schedule.
    assert {int(offset / timedelta(minutes=6)) for offset in offsets} == set(range(10))
    assert offsets != [stagger_of(f"instance {number}", 8, length) for number in range(500)]
    assert stagger_of("any", 7, timedelta(0)) == timedelta(0)


moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))
expressions = st.builds(
    "{} {} * * *".format,
    st.sampled_from(["0", "30", "*/20", "59", "5,50"]),
    st.sampled_from(["*", "2", "1-3", "*/2", "0,23"]),
)


@given(moments, expressions, st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, "UTC"]))
def test_due_times_rise_and_each_is_the_next_of_the_one_before(
    after: datetime, expression: str, zone: str
) -> None:
    rhythm = cron(expression, zone)
    times = upcoming(rhythm, after)
    last = after
    for _ in range(30):
        due = next(times).at
        assert due > last
        assert next_due_time(rhythm, last) == due
        last = due


def kinds_on(day: datetime, rhythm: Rhythm) -> list[str]:
    """The due times of a local day in UTC, each with an F where it is of a full backup."""
    where = ZoneInfo(rhythm.time_zone)
    first = day.replace(tzinfo=where).astimezone(UTC) - timedelta(microseconds=1)
    ends = (day + timedelta(days=1)).replace(tzinfo=where).astimezone(UTC)
    due = takewhile(lambda moment: moment.at < ends, upcoming(rhythm, first))
    return [f"{moment.at:%H:%M}{' F' if moment.full else ''}" for moment in due]


NIGHTLY = replace(cron("0 1 * * *", BERLIN), full_cron="0 1 * * 0")


def test_one_rhythm_holds_fulls_and_others() -> None:
    week = preview(NIGHTLY, datetime(2026, 3, 1, 12, tzinfo=UTC), 8)
    assert [f"{due.local:%a}" for due in week if due.full] == ["Sun"]
    assert len({due.at for due in week}) == 8


@pytest.mark.parametrize(
    ("rhythm", "day", "times"),
    [
        # A full backup at a time of its own, besides the others of that day.
        (replace(NIGHTLY, full_cron="30 3 * * 0"), datetime(2026, 3, 1), ["00:00", "02:30 F"]),
        # Clocks go forward, 02:00 to 03:00: both fall on one moment, which is of the full one.
        (
            replace(cron("15 2 * * *", BERLIN), full_cron="30 2 * * 0"),
            datetime(2026, 3, 29),
            ["01:00 F"],
        ),
        (
            replace(cron("0 3 * * *", BERLIN), full_cron="30 2 * * 0"),
            datetime(2026, 3, 29),
            ["01:00 F"],
        ),
        # Clocks go back: the full one once, at the first passing.
        (
            replace(cron("30 2 * * *", BERLIN), full_cron="30 2 * * 0"),
            datetime(2026, 10, 25),
            ["00:30 F"],
        ),
        # Every hour that passes, and of the two at 02:00 the first is the full one.
        (
            replace(cron("0 * * * *", BERLIN), full_cron="0 2 * * 0"),
            datetime(2026, 10, 25),
            [f"{hour % 24:02}:00{' F' if hour == 24 else ''}" for hour in range(22, 47)],
        ),
        # Intervals follow time as it passes, their full backups the wall clock of the zone.
        (
            Rhythm("", NEW_YORK, 12, T0, full_cron="0 22 * * 1"),
            datetime(2026, 3, 9),
            ["14:00", "02:00 F"],
        ),
    ],
)
def test_full_backups_where_clocks_change(rhythm: Rhythm, day: datetime, times: list[str]) -> None:
    assert kinds_on(day, rhythm) == times


def test_a_rhythm_with_fulls_is_as_regular_from_any_moment() -> None:
    first = datetime(2026, 10, 18, tzinfo=UTC)
    all_due = preview(NIGHTLY, first, 20)
    for before, due in pairwise(all_due):
        assert preview(NIGHTLY, before.at, 1) == [due]
        assert preview(NIGHTLY, due.at - timedelta(microseconds=1), 1) == [due]


@pytest.mark.parametrize("expression", ["0 0 30 2 *", "61 * * * *", "0 1 * *"])
def test_an_invalid_expression_for_fulls_is_refused(expression: str) -> None:
    with pytest.raises(BadInput, match="cron"):
        check_rhythm(replace(NIGHTLY, full_cron=expression))
