"""Rates and settings of a pace, as they are typed and shown."""

from __future__ import annotations

import pytest

from backups.exceptions import BadInput
from backups.models import BackupSchedule
from backups.pacing.entered import describe_own, describe_target, format_rate, parse_limit
from backups.pacing.target import PaceTarget


@pytest.mark.parametrize(
    ("text", "bytes_per_s", "written"),
    [
        ("20M", 20 << 20, "20M"),
        ("1.5G", 3 << 29, "1536M"),
        ("100 ", 100, "100"),
        ("full", 0, "full"),
        ("none", 0, "full"),
        ("0", 0, "full"),
    ],
)
def test_rates(text: str, bytes_per_s: int, written: str) -> None:
    assert parse_limit(text) == bytes_per_s
    assert format_rate(bytes_per_s) == written
    assert parse_limit(written) == bytes_per_s


@pytest.mark.parametrize("text", ["", "fast", "-1", "20X", "1e9", "99999999T"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(BadInput, match="is not a rate"):
        parse_limit(text)


def test_a_schedule_says_only_what_it_sets() -> None:
    assert describe_own(BackupSchedule()) == ""
    own = BackupSchedule(pace_factor=3, pace_bytes_per_s=0, pace_hours="08:00-18:00 20M")
    assert describe_own(own) == (
        "statements at most 3 times as long as before; no limit; 08:00-18:00 20M"
    )


def test_a_target_says_everything() -> None:
    assert describe_target(PaceTarget(2.5, 10, 20 << 20)) == (
        "statements at most 2.5 times as long as before; replication at most 10 s further behind; "
        "at most 20.0 MiB/s"
    )
    assert describe_target(PaceTarget()) == (
        "statement times not watched; replication lag not watched; no limit"
    )
