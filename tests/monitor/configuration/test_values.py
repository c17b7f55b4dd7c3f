from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.exceptions import BadInput
from monitor.configuration.values import format_length, parse_length


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("1h30m", timedelta(minutes=90)),
        ("14d", timedelta(days=14)),
        ("0.5s", timedelta(milliseconds=500)),
        ("0s", timedelta(0)),
    ],
)
def test_lengths(text: str, length: timedelta) -> None:
    assert parse_length(text) == length
    assert parse_length(format_length(length)) == length


@pytest.mark.parametrize("text", ["", "5", "h", "5x", "1h 3", "-1h", None])
def test_what_is_no_length(text: object) -> None:
    with pytest.raises(BadInput, match="not a length of time"):
        parse_length(text)


@given(st.timedeltas(timedelta(0), timedelta(days=4000)))
def test_what_is_written_is_read_back(length: timedelta) -> None:
    # A float holds the microseconds of ten years.
    assert parse_length(format_length(length)) == length
