from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from backups.exceptions import BadInput
from backups.pacing.hours import parse_hours, parse_rate
from backups.pacing.target import PaceTarget, decide_target

MIB = 1 << 20
DEFAULTS = PaceTarget(5, 30, 0)


@dataclass
class Columns:
    pace_factor: float | None = None
    pace_lag_seconds: int | None = None
    pace_bytes_per_s: int | None = None
    pace_hours: str = ""


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-06-01T{text}:00").replace(tzinfo=UTC)


class TestPrecedence:
    def test_the_settings_hold_where_nothing_else_is_said(self) -> None:
        assert decide_target(DEFAULTS, Columns(), Columns()) == DEFAULTS

    def test_the_schedule_wins_over_the_instance_value_by_value(self) -> None:
        schedule = Columns(pace_factor=2.0, pace_bytes_per_s=0)
        instance = Columns(pace_factor=9.0, pace_lag_seconds=7, pace_bytes_per_s=MIB)
        found = decide_target(DEFAULTS, schedule, instance)
        assert (found.factor, found.lag_seconds, found.bytes_per_s) == (2, 7, 0)

    def test_hours_win_over_the_limit_of_the_rest_of_the_day(self) -> None:
        found = decide_target(
            DEFAULTS, Columns(None, None, MIB, "08:00-18:00 20M, 22:00-06:00 full")
        )
        limits = [
            found.limit_at(at(time)) for time in ("07:59", "08:00", "18:00", "23:00", "05:59")
        ]
        assert limits == [MIB, 20 * MIB, MIB, None, None]

    def test_hours_are_of_the_schedules_zone_or_of_their_own(self) -> None:
        hours = "08:00-18:00 20M"
        berlin = decide_target(DEFAULTS, Columns(pace_hours=hours), time_zone="Europe/Berlin")
        assert berlin.limit_at(at("06:30")) == 20 * MIB
        own = decide_target(DEFAULTS, Columns(pace_hours=f"Asia/Tokyo {hours}"), time_zone="UTC")
        assert own.limit_at(at("23:30")) == 20 * MIB


class TestText:
    @pytest.mark.parametrize(
        ("text", "rate"),
        [("20M", 20 * MIB), ("1.5k", 1536), ("500", 500), ("2GiB/s", 2 << 30), ("full", None)],
    )
    def test_rates(self, text: str, rate: int | None) -> None:
        assert parse_rate(text) == rate

    @pytest.mark.parametrize("text", ["", "0", "fast", "-1M", "20X", "9999T9", "1" * 30])
    def test_what_is_no_rate(self, text: str) -> None:
        with pytest.raises(BadInput):
            parse_rate(text)

    @pytest.mark.parametrize(
        "text",
        [
            "08:00-18:00",
            "8-18 20M",
            "25:00-26:00 20M",
            "08:00-08:00 20M",
            "08:00-18:00 20M, 17:00-19:00 5M",
            "22:00-06:00 20M, 05:00-07:00 5M",
            "Europe/Nowhere 08:00-18:00 20M",
            "Europe/Berlin",
            "08:00-18:00 20M," * 40,
        ],
    )
    def test_what_is_no_limit_by_hours(self, text: str) -> None:
        with pytest.raises(BadInput):
            parse_hours(text)

    def test_blank_is_none(self) -> None:
        assert parse_hours(" ").limits == ()
