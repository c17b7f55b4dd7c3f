"""How fast did a job transfer data, from start to end, and what did writers notice of it?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from django.utils.timezone import localtime

from backups.models import Job, JobSample
from backups.pacing.reasons import PaceReason
from backups.units import format_bytes
from monitor.charts.figure import Figure, as_json, byte_axis, frame, time_axis

# Fewer are not a line.
MIN_SAMPLES = 3


@dataclass(frozen=True, slots=True)
class RateCharts:
    """What the samples of a job show."""

    rate: Figure
    # How long statements of the instance took; None where too little is known of it.
    statements: Figure | None


def rate_charts(job: Job) -> RateCharts | None:
    """Return the charts of the job's samples; None with too few."""
    samples = list(JobSample.objects.filter(job=job).order_by("id"))
    if len(samples) < MIN_SAMPLES:
        return None
    return RateCharts(draw_rates(samples), draw_statements(samples, job.pace_target_ms))


def draw_rates(samples: Sequence[JobSample]) -> Figure:
    rates = [sample.rate_bytes_per_s for sample in samples]
    times = _times(samples)
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
        ),
        *_limit_line(samples),
    )
    # A limit far above what is read is above the axis: the rate is what the chart is about.
    limits = [limit for s in samples if (limit := s.pace_bytes_per_s) and limit < 2 * max(rates)]
    figure.update_yaxes(**byte_axis(max(*rates, *limits), "/s"))
    middle = sorted(rates)[len(rates) // 2]
    summary = (
        f"Usually {format_bytes(middle)}/s, between {format_bytes(min(rates))}/s "
        f"and {format_bytes(max(rates))}/s."
    )
    return Figure(as_json(figure), f"{summary} {_limited_in_words(samples)}".strip(), (), ())


def draw_statements(samples: Sequence[JobSample], target_ms: float | None) -> Figure | None:
    """Draw how long statements of the instance took, and the target; None with too few."""
    known = [sample.pace_p99_ms for sample in samples if sample.pace_p99_ms is not None]
    if len(known) < MIN_SAMPLES:
        return None
    times = _times(samples)
    # A time that is not known is a gap in the line.
    seconds = [None if s.pace_p99_ms is None else s.pace_p99_ms / 1000 for s in samples]
    words = ["unknown" if s.pace_p99_ms is None else f"{s.pace_p99_ms:.3g} ms" for s in samples]
    figure = frame(
        go.Scatter(
            x=times,
            y=seconds,
            text=words,
            hovertemplate="statements %{text}<extra></extra>",
            mode="lines",
            line={"color": "var(--chart-1)", "width": 2},
        ),
        *([] if target_ms is None else [_level(times, target_ms / 1000, f"{target_ms:.3g} ms")]),
    )
    figure.update_yaxes(**time_axis(max(*known, target_ms or 0) / 1000))
    middle = sorted(known)[len(known) // 2]
    target = "" if target_ms is None else f" Target {target_ms:.3g} ms."
    summary = f"Usually {middle:.3g} ms, at most {max(known):.3g} ms.{target}"
    return Figure(as_json(figure), summary, (), ())


def _limit_line(samples: Sequence[JobSample]) -> list[Any]:
    """Return the limit in force as a line, with gaps where there was none. Any: plotly."""
    limits = [sample.pace_bytes_per_s for sample in samples]
    if all(limit is None for limit in limits):
        return []
    return [
        go.Scatter(
            x=_times(samples),
            y=limits,
            text=["" if limit is None else f"{format_bytes(limit)}/s" for limit in limits],
            hovertemplate="limit %{text}<extra></extra>",
            mode="lines",
            line={"color": "var(--chart-2)", "width": 2, "dash": "dot", "shape": "hv"},
            connectgaps=False,
        )
    ]


def _level(times: Sequence[str], level: float, words: str) -> Any:
    """Return a dotted line at one value. Any: plotly."""
    return go.Scatter(
        x=[times[0], times[-1]],
        y=[level, level],
        text=[words, words],
        hovertemplate="target %{text}<extra></extra>",
        mode="lines",
        line={"color": "var(--chart-2)", "width": 2, "dash": "dot"},
    )


def _limited_in_words(samples: Sequence[JobSample]) -> str:
    """Say for how much of the time there was a limit, and mostly why; blank for none."""
    paced = [sample for sample in samples if sample.pace_reason]
    limited = [sample for sample in paced if sample.pace_bytes_per_s is not None]
    if not limited:
        return ""
    share = round(100 * len(limited) / len(paced))
    most = Counter(sample.pace_reason for sample in limited).most_common(1)[0][0]
    return f"Limited for {share} % of the copy, mostly: {PaceReason(most).label.lower()}."


def _times(samples: Sequence[JobSample]) -> list[str]:
    return [f"{localtime(sample.sampled_at):%Y-%m-%d %H:%M:%S}" for sample in samples]
