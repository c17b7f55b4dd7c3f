"""How is a running job's lease kept, and how do others see its progress and cancel it?

About once a second a thread writes progress and log lines, renews the lease when it is due,
and checks for a cancel request. Every write names the fencing token: when it matches no row,
another process owns the job and this run must stop.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from datetime import datetime, timedelta
from types import TracebackType

from django.conf import settings
from django.db import Error, connection
from django.utils.timezone import now

from backups.exceptions import CancelRequested, LeaseLost, StageFailed
from backups.models import Job
from backups.models.clock import shared
from backups.running.run import Run, boot_clock
from backups.running.samples import Sampler
from backups.running.stage_rows import StageRows
from backups.states import JobStatus

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 1.0
# The displayed rate is that of the last few seconds, not of the whole run.
RATE_SECONDS = 10.0


class LeaseKeeper:
    """Keeps the lease of a running job. Use as a context around its stages."""

    def __init__(self, run: Run, rows: StageRows) -> None:
        self._run, self._rows = run, rows
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._keep_until_end, name="lease", daemon=True)
        self._renewed = boot_clock()
        run.hold_lease_until(self._renewed + settings.LEASE_SECONDS)
        self._sampler = Sampler(run.job)
        self._samples: deque[tuple[float, int]] = deque()
        self._last_activity, self._activity_changed_at = (0, 0), time.monotonic()

    def __enter__(self) -> LeaseKeeper:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()

    def _keep_until_end(self) -> None:
        try:
            while not self._end.wait(INTERVAL_SECONDS):
                self._try_write()
            self._try_write()
        finally:
            connection.close()

    def _try_write(self) -> None:
        """Write; an unreachable database is retried for as long as the lease lasts."""
        self._watch_for_stall()
        try:
            self._write()
        except LeaseLost as exc:
            self._run.stop(exc)
        except Error as exc:
            connection.close()
            logger.warning(
                "%s: progress not written, the database is unreachable: %s",
                self._run.job,
                exc,
                extra={"action": "progress_delayed", "job_id": self._run.job.pk},
            )
            if boot_clock() - self._renewed > settings.LEASE_SECONDS:
                self._run.stop(LeaseLost("the database was unreachable for longer than the lease"))
        except Exception as exc:
            # If this thread died unnoticed, the lease would expire while the job still runs.
            logger.exception(
                "%s: progress cannot be written",
                self._run.job,
                extra={"action": "progress_failed", "job_id": self._run.job.pk},
            )
            self._run.stop(exc)

    def _write(self) -> None:
        """Write what is new, the lease first: the other writes may take longer than it lasts."""
        self._write_progress()
        self._rows.write_moves()
        self._rows.write_lines()
        if self._run.metered and not self._run.meter.reported:
            meter, pace = self._run.meter, self._run.pace
            self._sampler.note(self._rows.stage_name, meter.raw_bytes, now(), pace=pace)

    def _write_progress(self) -> None:
        fields = self._progress()
        # Read before the row is written: the row's lease never ends before ours.
        renewed_at = boot_clock()
        renewing = renewed_at - self._renewed >= settings.LEASE_RENEW_SECONDS
        if renewing:
            fields["lease_expires_at"] = shared(now()) + timedelta(seconds=settings.LEASE_SECONDS)
        mine = Job.objects.filter(
            pk=self._run.job.pk, fencing_token=self._run.token, status=JobStatus.RUNNING
        )
        if not mine.update(**fields):
            raise LeaseLost("another process owns the job's row")
        if renewing:
            self._renewed = renewed_at
            self._run.hold_lease_until(renewed_at + settings.LEASE_SECONDS)
        for cancelled, limit in mine.values_list("cancel_requested", "pace_limit"):
            if cancelled:
                self._run.stop(CancelRequested())
            if self._run.pace is not None:
                self._run.pace.by_hand = limit

    def _progress(self) -> dict[str, object]:
        meter = self._run.meter
        self._rows.progress(meter.raw_bytes, meter.raw_bytes_total)
        # At the end the row has the bytes of the stage that moved most.
        done, total = meter.raw_bytes, meter.raw_bytes_total
        if self._end.is_set() and self._run.most_bytes > done:
            done, total = self._run.most_bytes, self._run.most_bytes_total
        return {
            "progress_at": now(),
            "last_activity_at": self._activity_at(),
            "bytes_done": done,
            "bytes_total": total,
            "stored_bytes": meter.stored_bytes,
            "files_done": meter.files_done,
            "files_total": meter.files_total,
            "current_file": meter.current_file[:1000],
            "rate_bytes_per_s": (
                meter.reported_rate if meter.reported else self._rate(meter.raw_bytes)
            ),
            **(self._run.pace.now.columns() if self._run.pace is not None else {}),
        }

    def _activity_at(self) -> datetime | None:
        """Return when the last activity was seen; None while stalls are not watched for."""
        silent = timedelta(seconds=time.monotonic() - self._activity_changed_at)
        return now() - silent if self._run.watched else None

    def _rate(self, count: int) -> int | None:
        at = time.monotonic()
        if self._samples and count < self._samples[-1][1]:
            # A new stage counts from zero.
            self._samples.clear()
        self._samples.append((at, count))
        while at - self._samples[0][0] > RATE_SECONDS:
            self._samples.popleft()
        first_at, first_count = self._samples[0]
        if at - first_at < INTERVAL_SECONDS / 2:
            return None
        return int((count - first_count) / (at - first_at))

    def _watch_for_stall(self) -> None:
        run = self._run
        activity = (run.activity, run.meter.raw_bytes)
        if activity != self._last_activity or not run.watched:
            self._last_activity, self._activity_changed_at = activity, time.monotonic()
            return
        silent = time.monotonic() - self._activity_changed_at
        if silent >= run.patience:
            where = f" in {run.step}" if run.step else ""
            last_line = f"; last log line: {run.last_line}" if run.last_line else ""
            run.stop(
                StageFailed(
                    f"stalled{where}: no byte and no log line for {int(silent)} s{last_line}",
                    hint="Check the instance and the repository; MOORING_STALL_SECONDS sets "
                    "after how many silent seconds a job is stalled, per stage if needed.",
                )
            )
