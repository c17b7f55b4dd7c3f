"""Which moment is meant: the zone is always written, nights of changing clocks are asked about."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.binlogs.moments import from_micros, parse_moment, to_micros
from backups.exceptions import BadInput

MOMENT = datetime(2026, 3, 2, 13, 5, tzinfo=UTC)


class TestParse:
    @pytest.mark.parametrize(
        "text",
        [
            "2026-03-02 13:05 UTC",
            "2026-03-02T13:05:00Z",
            "2026-03-02 14:05:00+01:00",
            "2026-03-02 14:05:00 +0100",
            " 2026-03-02 14:05 Europe/Berlin ",
            "2026-03-02 08:05:00.000000 America/New_York",
        ],
    )
    def test_reads_every_zone(self, text: str) -> None:
        assert parse_moment(text) == MOMENT

    def test_the_default_counts_where_none_is_written(self) -> None:
        assert parse_moment("2026-03-02 14:05", "Europe/Berlin") == MOMENT
        assert parse_moment("2026-03-02 13:05 UTC", "Europe/Berlin") == MOMENT

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "2026-03-02 14:05",
            "yesterday UTC",
            "2026-02-30 14:05 UTC",
            "2026-03-02 24:01 UTC",
            "2026-03-02 14:05 Berlin",
            "2026-03-02 14:05 +99:00",
            "0001-01-01 00:00 +05:00",
        ],
    )
    def test_refuses_what_is_none(self, text: str) -> None:
        with pytest.raises(BadInput):
            parse_moment(text)

    def test_asks_which_of_two(self) -> None:
        with pytest.raises(BadInput, match="twice") as caught:
            parse_moment("2026-10-25 02:30 Europe/Berlin")
        assert "2026-10-25T02:30:00+02:00" in str(caught.value.hint)
        assert "2026-10-25T02:30:00+01:00" in str(caught.value.hint)
        first = parse_moment("2026-10-25 02:30+02:00")
        assert first == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)

    def test_refuses_a_time_that_no_clock_shows(self) -> None:
        with pytest.raises(BadInput, match="does not exist") as caught:
            parse_moment("2026-03-29 02:30 Europe/Berlin")
        assert "2026-03-29T03:00:00+02:00" in str(caught.value.hint)


class TestMicros:
    @given(st.integers(0, 253_402_300_799_999_999))
    def test_come_back_exactly(self, micros: int) -> None:
        assert to_micros(from_micros(micros)) == micros
