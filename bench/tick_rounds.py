"""What do the ticks of one fleet take? Run by ``bench.ticks``, in a process of its own.

python -m bench.tick_rounds INSTANCES SCHEDULES OCCURRENCES ROUNDS DUE [DUE ...]
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from datetime import datetime, timedelta

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils.timezone import now  # noqa: E402

from backups.models import BackupSchedule, Job  # noqa: E402
from backups.schedules.tick import plan_occurrences  # noqa: E402
from backups.states import ACTIVE_JOB_STATUSES, JobStatus  # noqa: E402
from backups.transitions.jobs import claim, end  # noqa: E402
from bench.fleet_fill import FAR, fill  # noqa: E402

# One tick after the other, in the clock that is handed to them.
STEP = timedelta(seconds=10)


def main() -> None:
    instances, schedules, occurrences, rounds, *dues = map(int, sys.argv[1:])
    call_command("migrate", verbosity=0)
    began = time.perf_counter()
    at = now()
    fill(instances, schedules, occurrences, at)
    filled_s = time.perf_counter() - began
    figures: dict[str, list[float]] = defaultdict(list)
    for number in range(-1, rounds):
        for due in dues:
            at += STEP
            taken = one_round(due, (number + 1) * max(dues), at)
            # The first round fills caches.
            for name, seconds in taken.items() if number >= 0 else ():
                figures[f"{name} {due}"].append(seconds)
            at += 6 * STEP
    print(json.dumps({"fill_s": filled_s, "figures": figures}))


def one_round(due: int, offset: int, at: datetime) -> dict[str, float]:
    """Let ``due`` occurrences come due, run and end; return what each tick took."""
    plans = BackupSchedule.objects.order_by("id").values_list("pk", flat=True)
    count = plans.count()
    chosen = list(plans[offset % count : offset % count + due])
    chosen += list(plans[: due - len(chosen)])
    arm(chosen, at)
    taken = {"start": timed_tick(at)}
    jobs = list(Job.objects.filter(status__in=ACTIVE_JOB_STATUSES).select_related("instance"))
    assert len(jobs) == due, f"{len(jobs)} jobs of {due}"
    for job in jobs:
        assert claim(job, worker="bench:1", exclusive_key=f"instance:{job.instance_id}", now=at)
    taken["follow"] = timed_tick(at + STEP)
    for job in jobs:
        assert end(job, JobStatus.SUCCEEDED, now=at + STEP)
    taken["end"] = timed_tick(at + 2 * STEP)
    taken["idle"] = timed_tick(at + 3 * STEP)
    BackupSchedule.objects.filter(pk__in=chosen).update(next_due_at=at + FAR)
    return taken


def arm(chosen: list[int], at: datetime) -> None:
    """Make ``at`` a due time of the chosen schedules."""
    BackupSchedule.objects.filter(pk__in=chosen).update(
        next_due_at=at, cron="", every_hours=24, anchor_at=at
    )


def timed_tick(at: datetime) -> float:
    connection.ensure_connection()
    began = time.perf_counter()
    plan_occurrences(at)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
