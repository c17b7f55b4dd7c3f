"""How is a job's throughput over time stored, however long it runs?

One row every few seconds, and never more than a chart can show: when there are too many, every
second one is deleted and the interval doubles.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from backups.models import Job, JobSample
from backups.pacing.reasons import PaceReason
from backups.pacing.view import PaceNow, PaceView, worse

MOST = 120
FIRST_STEP_SECONDS = 5.0
# Older jobs lose their chart and keep their figures.
KEPT_FOR = timedelta(days=90)
CHANGED_COLUMNS = ["rate_bytes_per_s", "pace_p99_ms", "pace_bytes_per_s", "pace_reason"]


class Sampler:
    """Writes the samples of one run. Times are of a clock that only goes forward."""

    def __init__(self, job: Job, *, started: float | None = None) -> None:
        self._job = job
        self._step = FIRST_STEP_SECONDS
        self._rows: list[JobSample] = []
        self._since = time.monotonic() if started is None else started
        self._counted, self._stage = 0, ""

    def note(
        self,
        stage: str,
        bytes_done: int,
        at: datetime,
        clock: float | None = None,
        pace: PaceView | None = None,
    ) -> None:
        """Take a sample if one is due; a new stage is counted from zero."""
        clock = time.monotonic() if clock is None else clock
        if stage != self._stage or bytes_done < self._counted:
            self._stage, self._counted, self._since = stage, bytes_done, clock
            return
        elapsed = clock - self._since
        if elapsed < self._step:
            return
        rate = int((bytes_done - self._counted) / elapsed)
        sample = JobSample(
            job=self._job,
            sampled_at=at,
            stage=stage[:40],
            bytes_done=bytes_done,
            rate_bytes_per_s=rate,
        )
        if pace is not None:
            _write_pace(sample, pace.take_sample())
        sample.save(force_insert=True)
        self._rows.append(sample)
        self._counted, self._since = bytes_done, clock
        if len(self._rows) > MOST:
            self._thin_out()

    def _thin_out(self) -> None:
        """Delete every second sample, and give its neighbour the mean of both."""
        kept = []
        for first, second in zip(self._rows[::2], self._rows[1::2], strict=False):
            if first.stage == second.stage:
                second.rate_bytes_per_s = (first.rate_bytes_per_s + second.rate_bytes_per_s) // 2
                _write_pace(second, worse(_pace_of(first), _pace_of(second)))
            kept.append(second)
        if len(self._rows) % 2:
            kept.append(self._rows[-1])
        JobSample.objects.bulk_update(kept, CHANGED_COLUMNS)
        gone = {row.pk for row in self._rows} - {row.pk for row in kept}
        JobSample.objects.filter(pk__in=gone).delete()
        self._rows, self._step = kept, self._step * 2


def _write_pace(sample: JobSample, pace: PaceNow) -> None:
    sample.pace_p99_ms, sample.pace_bytes_per_s = pace.p99_ms, pace.bytes_per_s
    sample.pace_reason = pace.reason or ""


def _pace_of(sample: JobSample) -> PaceNow:
    reason = PaceReason(sample.pace_reason) if sample.pace_reason else None
    return PaceNow(reason, "", sample.pace_bytes_per_s, sample.pace_p99_ms)


def forget_samples(now: datetime) -> None:
    """Delete the samples of old jobs."""
    JobSample.objects.filter(sampled_at__lt=now - KEPT_FOR).delete()
