"""Are later copies made at the times that a schedule gives, over midnight too?"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from backups.schedules.copy_window import CopyWindow

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = CopyWindow(BERLIN, time(0, 30), time(6))
OVER = CopyWindow(BERLIN, time(22), time(6))
S = timedelta(seconds=1)


def wall(hour: int, minute: int = 0, day: int = 2) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("window", "at", "opens"),
    [
        (NIGHT, wall(0, 30) - S, wall(0, 30)),
        (NIGHT, wall(0, 30), wall(0, 30)),
        (NIGHT, wall(6) - S, wall(6) - S),
        (NIGHT, wall(6), wall(0, 30, day=3)),
        (OVER, wall(22) - S, wall(22)),
        (OVER, wall(23), wall(23)),
        (OVER, wall(5), wall(5)),
        (OVER, wall(6), wall(22)),
        (CopyWindow(BERLIN), wall(12), wall(12)),
    ],
)
def test_when_it_is_open_and_opens_next(window: CopyWindow, at: datetime, opens: datetime) -> None:
    assert window.is_open(at) is (opens == at)
    assert window.opens_after(at.astimezone(UTC)) == opens


def test_it_says_when() -> None:
    assert str(NIGHT) == "between 00:30 and 06:00, Europe/Berlin"
    assert str(CopyWindow(BERLIN)) == "at once"
