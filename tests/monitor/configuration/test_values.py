from __future__ import annotations

from datetime import time, timedelta

import pytest
from django.db import models
from hypothesis import given
from hypothesis import strategies as st

from backups.exceptions import BadInput
from backups.models import BackupSchedule
from monitor.configuration.values import format_length, parse_length, parsed, plain


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


def test_a_time_of_the_day_is_text() -> None:
    field = BackupSchedule._meta.get_field("copy_opens_at")
    assert isinstance(field, models.TimeField)
    assert plain(field, time(0, 30)) == "00:30:00"
    assert parsed(field, "00:30") == parsed(field, "00:30:00") == time(0, 30)
    for wrong in ("midnight", "25:00", 30):
        with pytest.raises(BadInput, match="is not a time of the day"):
            parsed(field, wrong)


def test_a_factor_is_a_number_whole_or_not() -> None:
    field = BackupSchedule._meta.get_field("pace_factor")
    assert isinstance(field, models.FloatField)
    assert (parsed(field, 3), parsed(field, 2.5), parsed(field, None)) == (3.0, 2.5, None)
    for wrong in ("3", True):
        with pytest.raises(BadInput, match="is not a number"):
            parsed(field, wrong)
