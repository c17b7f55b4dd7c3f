"""How did a repository grow, day by day?"""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from backups.units import format_bytes
from monitor.charts.figure import Figure, as_json, byte_axis, frame
from monitor.selectors.repository import DayTotal

# Fewer are not a line.
MIN_DAYS = 3


def growth_figure(days: Sequence[DayTotal]) -> Figure | None:
    """Return the chart of bytes stored at the end of each day; None with too few days."""
    if len(days) < MIN_DAYS:
        return None
    totals = [day.stored_bytes for day in days]
    drawing = frame(
        go.Scatter(
            x=[f"{day.day:%Y-%m-%d}" for day in days],
            y=totals,
            text=[format_bytes(total) for total in totals],
            hovertemplate="%{text}<extra></extra>",
            mode="lines",
            line={"color": "var(--chart-1)", "width": 2, "shape": "hv"},
        )
    )
    drawing.update_yaxes(**byte_axis(max(totals)))
    summary = f"From {format_bytes(totals[0])} to {format_bytes(totals[-1])} in {len(days)} days."
    return Figure(as_json(drawing), summary, (), ())
