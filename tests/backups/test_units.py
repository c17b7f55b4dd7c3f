"""Sizes and lengths of time, at the edges between units, and counts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backups.units import format_bytes, format_count, format_duration


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (None, "unknown"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (1024**2, "1.0 MiB"),
        (1536 * 1024**2, "1.5 GiB"),
        (3 * 1024**5, "3.0 PiB"),
        (3 * 1024**6, "3072.0 PiB"),
    ],
)
def test_sizes(size_bytes: int | None, text: str) -> None:
    assert format_bytes(size_bytes) == text


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (None, "unknown"),
        (timedelta(0), "0 ms"),
        (timedelta(milliseconds=52), "52 ms"),
        (timedelta(milliseconds=840), "0.8 s"),
        (timedelta(seconds=9.94), "9.9 s"),
        (timedelta(seconds=9.96), "10 s"),
        (timedelta(seconds=59.6), "1 min 00 s"),
        (timedelta(minutes=3, seconds=2), "3 min 02 s"),
        (timedelta(hours=1, minutes=4, seconds=59), "1 h 04 min"),
        (timedelta(days=2, hours=3), "2 d 3 h"),
    ],
)
def test_lengths_of_time(length: timedelta | None, text: str) -> None:
    assert format_duration(length) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 copies"), (1, "1 copy"), (2, "2 copies"), (1200, "1,200 copies")]
)
def test_counts(count: int, text: str) -> None:
    assert format_count(count, "copy", "copies") == text
    assert format_count(count, "job") == text.replace("copies", "jobs").replace("copy", "job")
