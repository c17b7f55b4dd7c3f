"""Will a planned run end within its window, judging by the runs before it? Pure.

A window says until when a run may start, and what still runs at its end is an overrun: a run fits
if it is expected to end by then. A forecast is made of three runs or more; without them it is
unknown, which is neither yes nor no.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

from backups.states import AUTO, BackupKind
from backups.units import format_count, format_duration

# The newest runs that are used, and the fewest.
DEPTH = 10
LEAST = 3
# The size that is measured before a backup and what the backup then contains differ by less.
SAME_SIZE = 1.2


class Fit(enum.Enum):
    FITS = "fits"
    WILL_NOT_FIT = "will not fit"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PastRun:
    """One run that succeeded. None is unknown."""

    length: timedelta
    size_bytes: int | None = None
    # How long its copy was limited, to spare the instance or by a person.
    limited: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """Whether a run will fit, the expected length, and from what that follows."""

    fit: Fit
    reason: str
    expected: timedelta | None = None

    @property
    def will_not_fit(self) -> bool:
        return self.fit is Fit.WILL_NOT_FIT

    def __str__(self) -> str:
        return f"{self.fit.value}: {self.reason}"


def forecast(
    newest_first: Sequence[PastRun], left: timedelta, *, kind: str, data_bytes: int | None = None
) -> Forecast:
    """Return whether a run of ``kind`` takes no longer than ``left``.

    ``data_bytes`` is the present size of the instance. Only full backups grow with it.
    """
    runs = newest_first[:DEPTH]
    if len(runs) < LEAST:
        known = format_count(len(runs), "earlier run")
        return Forecast(Fit.UNKNOWN, f"{known} of this kind, {LEAST} are needed")
    size = _present_size(runs, data_bytes) if kind == BackupKind.FULL else None
    lengths = [run.length * _growth(run, size) for run in runs]
    expected = timedelta(seconds=median(length.total_seconds() for length in lengths))
    reason = (
        f"expected {format_duration(expected)}, window {format_duration(left)}, "
        f"from the last {len(runs)} runs{_limited(runs)}"
    )
    return Forecast(Fit.WILL_NOT_FIT if expected > left else Fit.FITS, reason, expected)


def forecast_any(
    by_kind: Mapping[str, Sequence[PastRun]],
    left: timedelta,
    *,
    kind: str,
    data_bytes: int | None = None,
) -> Forecast:
    """As ``forecast``; of an automatic run, whose kind is decided at its start, for both kinds."""
    if kind != AUTO:
        return forecast(by_kind.get(kind, ()), left, kind=kind, data_bytes=data_bytes)
    kinds = (BackupKind.INCREMENTAL, BackupKind.FULL)
    usual, full = (
        forecast(by_kind.get(one, ()), left, kind=one, data_bytes=data_bytes) for one in kinds
    )
    if usual.fit is full.fit:
        return usual
    reason = f"its kind is decided when it starts; incremental {usual}; full {full}"
    return Forecast(Fit.UNKNOWN, reason)


def _present_size(runs: Sequence[PastRun], data_bytes: int | None) -> int | None:
    newest = next((run.size_bytes for run in runs if run.size_bytes), None)
    if newest is None or data_bytes is None or data_bytes <= newest * SAME_SIZE:
        return newest
    return data_bytes


def _growth(run: PastRun, size: int | None) -> float:
    return size / run.size_bytes if size and run.size_bytes else 1


def _limited(runs: Sequence[PastRun]) -> str:
    limited = [run.limited for run in runs if run.limited]
    if len(limited) * 2 < len(runs):
        return ""
    usual = timedelta(seconds=median(length.total_seconds() for length in limited))
    return f", in which the copy was slowed for {format_duration(usual)}"
