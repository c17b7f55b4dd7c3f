"""How fast did a job transfer data, from start to end?"""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from django.utils.timezone import localtime

from backups.models import Job, JobSample
from backups.units import format_bytes
from monitor.charts.figure import Figure, as_json, byte_axis, frame

# Fewer are not a line.
MIN_SAMPLES = 3


def rate_chart(job: Job) -> Figure | None:
    """Return the chart of the job's samples; None with too few."""
    samples = list(JobSample.objects.filter(job=job).order_by("id"))
    return draw_rates(samples) if len(samples) >= MIN_SAMPLES else None


def draw_rates(samples: Sequence[JobSample]) -> Figure:
    rates = [sample.rate_bytes_per_s for sample in samples]
    times = [f"{localtime(sample.sampled_at):%Y-%m-%d %H:%M:%S}" for sample in samples]
    figure = frame(
        go.Scatter(
            x=times,
            y=rates,
            text=[
                f"{format_bytes(rate)}/s, {s.stage}" for rate, s in zip(rates, samples, strict=True)
            ],
            hovertemplate="%{text}<extra></extra>",
            mode="lines",
            line={"color": "var(--chart-1)", "width": 2},
            fill="tozeroy",
            fillcolor="var(--accent-soft)",
        )
    )
    figure.update_yaxes(**byte_axis(max(rates), "/s"))
    middle = sorted(rates)[len(rates) // 2]
    summary = (
        f"Usually {format_bytes(middle)}/s, between {format_bytes(min(rates))}/s "
        f"and {format_bytes(max(rates))}/s."
    )
    return Figure(as_json(figure), summary, (), ())
