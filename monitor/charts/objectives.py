"""How do recovery times and recoverable moments of an instance compare with its objectives?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import plotly.graph_objects as go
from django.utils.timezone import localtime

from backups.units import format_duration
from monitor.charts.figure import Figure, as_json, frame, time_axis
from monitor.charts.instance import MIN_RUNS, InstanceChart
from monitor.selectors.objectives import ObjectivesView

_SYMBOLS = {"restore test": "circle", "drill": "diamond", "restore": "square"}


def objective_charts(view: ObjectivesView) -> list[InstanceChart]:
    """Return a chart of each of the two of which enough was measured."""
    return [chart for chart in (_recoveries(view), _ages(view)) if chart is not None]


def _recoveries(view: ObjectivesView) -> InstanceChart | None:
    measured = view.recoveries
    if len(measured) < MIN_RUNS:
        return None
    times = [f"{localtime(each.at):%Y-%m-%d %H:%M}" for each in measured]
    seconds = [each.length.total_seconds() for each in measured]
    # Any: plotly is untyped.
    points: Any = go.Scatter(
        x=times,
        y=[round(value, 3) for value in seconds],
        text=[f"{each.sort} {format_duration(each.length)}" for each in measured],
        hovertemplate="%{text}<extra></extra>",
        mode="lines+markers",
        marker={"size": 6, "symbol": [_SYMBOLS[each.sort] for each in measured]},
        line={"color": "var(--chart-1)", "width": 2},
    )
    middle = sorted(measured, key=lambda each: each.length)[len(measured) // 2].length
    longest = max(each.length for each in measured)
    summary = (
        f"Last {format_duration(measured[-1].length)}; usually {format_duration(middle)}, at most "
        f"{format_duration(longest)}; {_against(view.standing.rto, 'RTO')}."
    )
    return _chart(
        "recovery", "Recovery time, measured", points, times, view.standing.rto, seconds, summary
    )


def _ages(view: ObjectivesView) -> InstanceChart | None:
    days = [(row.day, row.worst_age) for row in view.days if row.worst_age is not None]
    if view.standing.worst_age is not None:
        days.append((view.standing.day, view.standing.worst_age))
    if len(days) < MIN_RUNS:
        return None
    times = [f"{day:%Y-%m-%d}" for day, _ in days]
    seconds = [age.total_seconds() for _, age in days]
    line: Any = go.Scatter(
        x=times,
        y=seconds,
        text=[format_duration(age) for _, age in days],
        hovertemplate="at most %{text}<extra></extra>",
        mode="lines+markers",
        marker_size=5,
        line={"color": "var(--chart-1)", "width": 2},
    )
    worst = max(age for _, age in days)
    summary = (
        f"The newest recoverable moment was at most {format_duration(worst)} old; "
        f"{_against(view.standing.rpo, 'RPO')}."
    )
    return _chart(
        "age",
        "What could be lost, worst of each day",
        line,
        times,
        view.standing.rpo,
        seconds,
        summary,
    )


def _chart(
    name: str,
    title: str,
    trace: Any,
    times: Sequence[str],
    objective: timedelta | None,
    seconds: Sequence[float],
    summary: str,
) -> InstanceChart:
    traces, highest = [trace], max(seconds)
    if objective is not None:
        traces.append(_objective(times, objective))
        highest = max(highest, objective.total_seconds())
    figure = frame(*traces)
    figure.update_yaxes(**time_axis(highest))
    return InstanceChart(name, title, Figure(as_json(figure), summary, (), ()), summary)


def _objective(times: Sequence[str], objective: timedelta) -> Any:
    return go.Scatter(
        x=[times[0], times[-1]],
        y=[objective.total_seconds()] * 2,
        text=[format_duration(objective)] * 2,
        hovertemplate="objective %{text}<extra></extra>",
        mode="lines",
        line={"color": "var(--bad)", "width": 1, "dash": "dash"},
    )


def _against(objective: timedelta | None, name: str) -> str:
    return f"no {name} is set" if objective is None else f"{name} {format_duration(objective)}"
