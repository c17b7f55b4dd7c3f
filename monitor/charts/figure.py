"""What have all charts in common? Their frame: margins, axes, no decoration."""

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
    """What the script draws, and the same as words and rows for those who cannot see it."""

    # Any: plotly's own JSON.
    drawing: dict[str, Any]
    summary: str
    heads: Sequence[str]
    rows: Sequence[Sequence[object]]


def frame(*traces: Any) -> go.Figure:
    """Return the traces in the frame of every chart of ours. Any: plotly is untyped."""
    return go.Figure(
        data=traces,
        layout={
            "template": "none",
            "margin": {"l": 56, "r": 8, "t": 8, "b": 28},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": "var(--muted)", "size": 12},
            "showlegend": False,
            "hovermode": "x unified",
            "dragmode": False,
            "xaxis": {"showgrid": False, "linecolor": "var(--line)", "fixedrange": True},
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
    """Return plotly's JSON without its template. Any: the JSON is plotly's own."""
    drawing: dict[str, Any] = json.loads(figure.to_json())
    drawing["layout"].pop("template", None)
    return drawing


def byte_axis(largest: int) -> dict[str, Any]:
    """Write an axis of bytes in our units: plotly knows powers of ten only."""
    if largest <= 0:
        return {"tickvals": [0], "ticktext": ["0 B"]}
    unit = 1024 ** int(math.log(largest, 1024))
    step = next(s for s in _STEPS if s * unit * 4 >= largest) * unit
    ticks = [n * step for n in range(int(largest / step) + 2)]
    return {
        "tickvals": ticks,
        "ticktext": [format_bytes(int(tick)).replace(".0 ", " ") for tick in ticks],
    }


# Enough for anything below 1024 of a unit: the largest value is at most four steps high.
_STEPS = (0.25, 0.5, 1, 2, 2.5, 5, 10, 20, 25, 50, 100, 128, 256)
