"""How do size, duration, throughput and lock time of an instance's backups develop?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import plotly.graph_objects as go
from django.utils.timezone import localtime

from backups.states import BackupKind, JobStatus
from backups.units import format_bytes, format_duration
from monitor.charts.figure import Figure, as_json, byte_axis, frame, time_axis
from monitor.selectors.instance_runs import BackupRun

# A line needs two points.
MIN_RUNS = 2


@dataclass(frozen=True, slots=True)
class InstanceChart:
    """One chart with its summary."""

    name: str
    title: str
    figure: Figure
    note: str


@dataclass(frozen=True, slots=True)
class InstanceCharts:
    drawn: list[InstanceChart]
    # How many failed or were lost, and how many were refused.
    failures: int
    refusals: int
    note: str


def instance_charts(runs: Sequence[BackupRun]) -> InstanceCharts | None:
    """Return the charts; None with too few successful runs."""
    good = [run for run in runs if run.succeeded]
    if len(good) < MIN_RUNS:
        return None
    failed = [run for run in runs if not run.succeeded]
    drawn = [_size(good, failed), _duration(good, failed), _throughput(good, failed)]
    if any(run.lock_time is not None for run in good):
        drawn.append(_lock_time(good, failed))
    measured = [run for run in good if run.pace and run.pace.p99_during_ms is not None]
    if len(measured) >= MIN_RUNS:
        drawn.append(_statements(measured, failed))
    refusals = sum(run.status is JobStatus.REFUSED for run in failed)
    return InstanceCharts(drawn, len(failed) - refusals, refusals, f"last {len(runs)} backup jobs")


def _size(good: Sequence[BackupRun], failed: Sequence[BackupRun]) -> InstanceChart:
    raw, stored = [run.raw_bytes for run in good], [run.stored_bytes for run in good]
    figure = frame(
        *_lines(good, raw, format_bytes, "raw", 1),
        *_lines(good, stored, format_bytes, "stored", 2),
        _marks(failed),
    )
    figure.update_yaxes(**byte_axis(max(raw)))
    compared = [run for run in good if run.kind == good[-1].kind]
    first, last = (format_bytes(run.raw_bytes) for run in (compared[0], compared[-1]))
    which = "" if len(compared) == len(good) else f" ({good[-1].kind})"
    summary = f"From {first} to {last}{which}; stored as {format_bytes(stored[-1])}."
    return _chart("size", "Size and stored size", figure, summary)


def _duration(good: Sequence[BackupRun], failed: Sequence[BackupRun]) -> InstanceChart:
    return _of_times("duration", "Duration", good, [run.run_time for run in good], failed)


def _lock_time(good: Sequence[BackupRun], failed: Sequence[BackupRun]) -> InstanceChart:
    locks = [run for run in good if run.lock_time is not None]
    times = [run.lock_time or timedelta(0) for run in locks]
    return _of_times("lock-time", "Lock time", locks, times, failed)


def _statements(runs: Sequence[BackupRun], failed: Sequence[BackupRun]) -> InstanceChart:
    """Draw how long statements of the instance took, during each backup and before it."""
    during = [(run.pace.p99_during_ms or 0) / 1000 for run in runs if run.pace]
    compared = [run for run in runs if run.pace and run.pace.p99_before_ms is not None]
    before = [(run.pace.p99_before_ms or 0) / 1000 for run in compared if run.pace]
    figure = frame(
        *_lines(runs, during, _duration_text, "during", 1),
        *_lines(compared, before, _duration_text, "before", 2),
        _marks(failed),
    )
    figure.update_yaxes(**time_axis(max(during + before)))
    middle = sorted(during)[len(during) // 2]
    summary = (
        f"Last {_duration_text(during[-1])}; usually {_duration_text(middle)}, "
        f"at most {_duration_text(max(during))}; before a backup usually "
        f"{_duration_text(sorted(before)[len(before) // 2]) if before else 'unknown'}."
    )
    return _chart("statements", "Statements during backups", figure, summary)


def _of_times(
    name: str,
    title: str,
    runs: Sequence[BackupRun],
    times: list[timedelta],
    failed: Sequence[BackupRun],
) -> InstanceChart:
    seconds = [time.total_seconds() for time in times]
    figure = frame(*_lines(runs, seconds, _duration_text, name, 1), _marks(failed))
    figure.update_yaxes(**time_axis(max(seconds)))
    middle = sorted(times)[len(times) // 2]
    summary = (
        f"Last {format_duration(times[-1])}; usually {format_duration(middle)}, "
        f"at most {format_duration(max(times))}."
    )
    return _chart(name, title, figure, summary)


def _throughput(good: Sequence[BackupRun], failed: Sequence[BackupRun]) -> InstanceChart:
    rates = [run.bytes_per_s for run in good]
    figure = frame(*_lines(good, rates, _per_second, "throughput", 1), _marks(failed))
    figure.update_yaxes(**byte_axis(max(rates), "/s"))
    middle = sorted(rates)[len(rates) // 2]
    summary = f"Last {_per_second(rates[-1])}; usually {_per_second(middle)}."
    return _chart("throughput", "Throughput", figure, summary)


def _chart(name: str, title: str, figure: go.Figure, summary: str) -> InstanceChart:
    # The page has the rows in its table of backups.
    return InstanceChart(name, title, Figure(as_json(figure), summary, (), ()), summary)


# Any: plotly is untyped.
def _lines(
    runs: Sequence[BackupRun],
    values: Sequence[float],
    words: Callable[[Any], str],
    name: str,
    colour: int,
) -> Iterator[Any]:
    """Yield a line of the full backups, and points of those that store only changes."""
    pairs = list(zip(runs, values, strict=True))
    full = [(run, value) for run, value in pairs if run.kind == BackupKind.FULL]
    rest = [(run, value) for run, value in pairs if run.kind != BackupKind.FULL]
    for draw, points in ((_line, full), (_points, rest)):
        if points:
            yield draw(
                [run for run, _ in points], [value for _, value in points], words, name, colour
            )


def _points(
    runs: Sequence[BackupRun],
    values: Sequence[float],
    words: Callable[[Any], str],
    name: str,
    colour: int,
) -> Any:
    symbol = "circle" if colour == 1 else "circle-open"
    return go.Scatter(
        x=_times(runs),
        y=[round(value, 3) for value in values],
        text=[f"{words(value)}, {run.kind}" for run, value in zip(runs, values, strict=True)],
        hovertemplate=f"{name} %{{text}}<extra></extra>",
        mode="markers",
        marker={"symbol": symbol, "size": 6, "color": f"var(--chart-{colour})"},
    )


def _line(
    runs: Sequence[BackupRun],
    values: Sequence[float],
    words: Callable[[Any], str],
    name: str,
    colour: int,
) -> Any:
    return go.Scatter(
        x=_times(runs),
        y=[round(value, 3) for value in values],
        text=[words(value) for value in values],
        hovertemplate=f"{name} %{{text}}<extra></extra>",
        mode="lines+markers" if len(runs) < 15 else "lines",
        marker_size=5,
        line={"color": f"var(--chart-{colour})", "width": 2, "shape": "linear"},
        line_dash="dot" if colour == 2 else "solid",
    )


def _marks(failed: Sequence[BackupRun]) -> Any:
    """Return marks for failures on the axis, by shape and by colour."""
    return go.Scatter(
        x=_times(failed),
        y=[0] * len(failed),
        text=[run.status.value for run in failed],
        mode="markers",
        marker={"symbol": "x", "size": 9, "color": "var(--bad)"},
        # The tooltip of every point includes the nearest failure: its time avoids confusion.
        hovertemplate="%{text} %{x|%-d %b %H:%M}<extra></extra>",
        cliponaxis=False,
    )


def _times(runs: Sequence[BackupRun]) -> list[str]:
    # Local time of the user: plotly has no time zones.
    return [f"{localtime(run.at):%Y-%m-%d %H:%M}" for run in runs]


def _duration_text(seconds: float) -> str:
    return format_duration(timedelta(seconds=seconds))


def _per_second(rate: int) -> str:
    return f"{format_bytes(rate)}/s"
