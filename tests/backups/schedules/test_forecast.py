"""Will it fit? From its own past, with what is unknown shown as unknown."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backups.schedules.forecast import Fit, PastRun, forecast, forecast_any

H, M = timedelta(hours=1), timedelta(minutes=1)
GIB = 1024**3


def runs(*hours: float, size: int | None = None) -> list[PastRun]:
    return [PastRun(hour * H, size) for hour in hours]


@pytest.mark.parametrize(
    ("hours", "left", "fit"),
    [
        ([], 4 * H, Fit.UNKNOWN),
        ([9, 9], 4 * H, Fit.UNKNOWN),
        ([3, 3, 3], 4 * H, Fit.FITS),
        ([4, 4, 4], 4 * H, Fit.FITS),
        ([4, 4, 4], 4 * H - M, Fit.WILL_NOT_FIT),
        # One night of trouble is no rule.
        ([9, 3, 3], 4 * H, Fit.FITS),
        # Only the newest ten count.
        ([1] * 10 + [9] * 90, 4 * H, Fit.FITS),
    ],
)
def test_every_edge(hours: list[float], left: timedelta, fit: Fit) -> None:
    assert forecast(runs(*hours), left, kind="full").fit is fit


def test_the_reason_has_the_figures() -> None:
    found = forecast(runs(*[5 + 1 / 6] * 9), 4 * H, kind="full")
    assert str(found) == (
        "will not fit: expected 5 h 10 min, window 4 h 00 min, from the last 9 runs"
    )
    few = forecast(runs(5, 5), 4 * H, kind="full")
    assert str(few) == "unknown: 2 earlier runs of this kind, 3 are needed"


def test_a_full_backup_grows_with_its_instance() -> None:
    # It has doubled since the older runs.
    past = [*runs(3, size=200 * GIB), *runs(1.5, 1.5, size=100 * GIB)]
    assert forecast(past, 4 * H, kind="full").expected == 3 * H
    assert forecast(past, 4 * H, kind="full", data_bytes=400 * GIB).expected == 6 * H
    # What is measured before a backup is not what it contains: that is no growth.
    assert forecast(past, 4 * H, kind="full", data_bytes=239 * GIB).expected == 3 * H
    assert forecast(past, 4 * H, kind="incremental", data_bytes=400 * GIB).expected == 1.5 * H


def test_an_unknown_size_changes_nothing() -> None:
    past = [*runs(3, size=200 * GIB), *runs(3, 3)]
    assert forecast(past, 4 * H, kind="full", data_bytes=200 * GIB).expected == 3 * H


def test_a_copy_that_was_slowed_is_named() -> None:
    past = [PastRun(5 * H, None, 2 * H)] * 3
    reason = forecast(past, 4 * H, kind="full").reason
    assert reason.endswith(", in which the copy was slowed for 2 h 00 min")
    assert "slowed" not in forecast([*past, *runs(*[5] * 4)], 4 * H, kind="full").reason


@pytest.mark.parametrize(
    ("incremental", "full", "fit"),
    [(1, 2, Fit.FITS), (5, 9, Fit.WILL_NOT_FIT), (1, 9, Fit.UNKNOWN)],
)
def test_an_automatic_run_may_be_either(incremental: float, full: float, fit: Fit) -> None:
    by_kind = {"incremental": runs(*[incremental] * 3), "full": runs(*[full] * 3)}
    found = forecast_any(by_kind, 4 * H, kind="auto")
    assert found.fit is fit
    if fit is Fit.UNKNOWN:
        assert "its kind is decided when it starts" in found.reason
