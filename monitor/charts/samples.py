"""The style guide's chart."""

from __future__ import annotations

import plotly.graph_objects as go

from monitor.charts.figure import Figure, as_json, byte_axis, frame

GIB = 1024**3


def sample_figure() -> Figure:
    days = [f"2026-03-{day:02}" for day in range(1, 15)]
    sizes = [(40 + day * 3 % 7 + day) * GIB for day in range(1, 15)]
    drawing = frame(go.Scatter(x=days, y=sizes, mode="lines", line_color="var(--chart-1)"))
    drawing.update_yaxes(**byte_axis(max(sizes)))
    rows = [(day, f"{size // GIB} GiB") for day, size in zip(days, sizes, strict=True)]
    return Figure(as_json(drawing), "It grew by half in two weeks.", ("Day", "Stored"), rows)
