"""From which moment on are binlogs needed?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backups.retention.binlog_rules import BinlogBase, binlogs_needed
from backups.retention.periods import PeriodCounts
from backups.retention.policy import Policy

NOW = datetime(2026, 3, 31, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FORTNIGHT = Policy("schedule nightly", keep_for=14 * DAY)
WEEK = Policy("schedule hourly", keep_for=7 * DAY)
FOR_EVER = Policy("repository main")
MONTHLY = Policy("schedule monthly", periods=PeriodCounts(monthly=12))


def base(days_ago: int) -> BinlogBase:
    """A backup that took an hour."""
    ended_at = NOW - days_ago * DAY
    return BinlogBase(f"orders-{days_ago}", ended_at - HOUR, ended_at)


@pytest.mark.parametrize(
    ("ages", "policies", "since"),
    [
        # The newest backup at the window's beginning or before it.
        ([1, 5, 13, 15, 40], [FORTNIGHT], 15),
        ([1, 5, 14, 40], [FORTNIGHT], 14),
        # None is that old: the oldest.
        ([1, 5, 13], [FORTNIGHT], 13),
        # The longest window counts.
        ([1, 8, 15], [WEEK, FORTNIGHT], 15),
        ([1, 8, 15], [WEEK], 8),
        # Without a window: from the oldest that is kept.
        ([1, 8, 200], [MONTHLY], 200),
        ([1, 8, 200], [MONTHLY, WEEK], 200),
    ],
)
def test_needed_from_the_base_of_the_window_on(
    ages: list[int], policies: list[Policy], since: int
) -> None:
    need = binlogs_needed([base(age) for age in ages], policies, "", NOW)
    assert need.since == NOW - since * DAY - HOUR
    assert f"needed from orders-{since} on" in str(need)


def test_what_is_marked_keeps_its_binlogs_and_is_no_base() -> None:
    marked = replace(base(40), marked=True)
    need = binlogs_needed([base(1), base(15), marked], [FORTNIGHT], "", NOW)
    assert need.since == NOW - 40 * DAY - HOUR
    assert "orders-40 on, which is marked for deletion" in need.reason
    # One that is newer than the base needs nothing more.
    newer = replace(base(5), marked=True)
    need = binlogs_needed([base(1), base(15), newer], [FORTNIGHT], "", NOW)
    assert need.since == NOW - 15 * DAY - HOUR
    # Alone it is nothing that would let others go.
    assert binlogs_needed([marked], [FORTNIGHT], "", NOW).since is None


def test_the_window_and_its_owner_are_named() -> None:
    need = binlogs_needed([base(1)], [FORTNIGHT, WEEK], "", NOW)
    assert need.reason == f"needed from orders-1 on: {FORTNIGHT}"


@pytest.mark.parametrize(
    ("ages", "policies", "blocked", "reason"),
    [
        ([], [FORTNIGHT], "", "no restorable backup"),
        ([1], [FORTNIGHT, FOR_EVER], "", "repository main keeps everything"),
        ([1, 30], [FORTNIGHT], "schedule nightly is paused", "is paused"),
    ],
)
def test_nothing_may_go(ages: list[int], policies: list[Policy], blocked: str, reason: str) -> None:
    need = binlogs_needed([base(age) for age in ages], policies, blocked, NOW)
    assert need.since is None
    assert reason in need.reason
