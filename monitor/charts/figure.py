"""What do all charts share? Margins, axes, no decoration."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from backups.units import format_bytes


@dataclass(frozen=True, slots=True)
class Figure:
    """What the script renders, with a summary and rows for those who cannot see it."""

    # Any: plotly's own JSON.
    drawing: dict[str, Any]
    summary: str
    heads: Sequence[str]
    rows: Sequence[Sequence[object]]


def frame(*traces: Any) -> go.Figure:
    """Return the traces in the common layout. Any: plotly is untyped."""
    return go.Figure(
        data=traces,
        layout={
            "template": "none",
            "margin": {"l": 68, "r": 10, "t": 8, "b": 36},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": "var(--muted)", "size": 12},
            "showlegend": False,
            "hovermode": "x unified",
            "dragmode": False,
            "xaxis": {
                "showgrid": False,
                "linecolor": "var(--line)",
                "fixedrange": True,
                "spikecolor": "var(--line-strong)",
                "spikethickness": 1,
                "spikedash": "solid",
            },
            "yaxis": {
                "gridcolor": "var(--chart-grid)",
                "rangemode": "tozero",
                "zeroline": False,
                "fixedrange": True,
                "nticks": 5,
            },
            "hoverlabel": {
                "bgcolor": "var(--raised)",
                "bordercolor": "var(--line-strong)",
                "font": {"color": "var(--text)"},
            },
        },
    )


def as_json(figure: go.Figure) -> dict[str, Any]:
    """Return plotly's JSON without its template. Any: plotly's own JSON."""
    drawing: dict[str, Any] = json.loads(figure.to_json())
    drawing["layout"].pop("template", None)
    return drawing


def byte_axis(largest: int, mark: str = "") -> dict[str, Any]:
    """Return an axis in binary units: plotly only has powers of ten."""
    unit = 1024 ** int(math.log(max(largest, 1), 1024))
    ticks = _ticks(largest, unit, _STEPS)
    return _axis(ticks, [f"{format_bytes(int(n)).replace('.0 ', ' ')}{mark}" for n in ticks])


def time_axis(longest: float) -> dict[str, Any]:
    """Return an axis of durations in h, min, s or ms."""
    unit = next((unit for unit in (3600, 60, 1) if longest >= unit), 0.001)
    ticks = _ticks(longest, unit, _STEPS)
    word = {3600: "h", 60: "min", 1: "s", 0.001: "ms"}[unit]
    return _axis(ticks, [f"{tick / unit:.4g} {word}" for tick in ticks])


def _ticks(largest: float, unit: float, steps: Sequence[float]) -> list[float]:
    """Return ticks from zero to just above ``largest``, at most four steps."""
    if largest <= 0:
        return [0]
    step = next((s * unit for s in steps if s * unit * 4 >= largest), largest / 4)
    return [n * step for n in range(math.ceil(largest / step) + 1)]


def _axis(ticks: list[float], words: list[str]) -> dict[str, Any]:
    # Some space above the last tick, and a range that starts at zero.
    return {"tickvals": ticks, "ticktext": words, "range": [0, ticks[-1] * 1.04 or 1]}


_STEPS = (0.25, 0.5, 1, 2, 2.5, 5, 10, 15, 20, 25, 50, 100, 128, 200, 250, 256)
