"""Which jobs did a demo that was killed leave behind, and when may the next one go on?

    python -m scripts.earlier_jobs INSTANCE

Nobody but this demo uses the state folder, so a job that is active when it starts is of a run that
is gone. Its lease ends by itself, a tick then ends the job and removes what it left; until then
another one for the same instance is refused.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from scripts.console import SetupError, complain, say

if TYPE_CHECKING:
    from backups.models import Job

POLL_SECONDS = 1.0
# After the lease: the tick that looks for it, and the removal of what it left.
GRACE_SECONDS = 60


def wait_for_earlier(instance: str, lease_seconds: float) -> None:
    """Return once no job of the instance is active; SetupError if one still is after its time."""
    longest = lease_seconds + GRACE_SECONDS
    deadline, announced = time.monotonic() + longest, False
    while job := _active(instance):
        if not announced:
            say(
                f"{job} is of an earlier run that was killed: waiting until its lease is over, "
                f"{longest:.0f} s at most …"
            )
            announced = True
        if time.monotonic() > deadline:
            raise SetupError(
                f"{job} of an earlier run is still {job.status} after {longest:.0f} s",
                hint=f"Cancel it with ./mooring manage canceljob {job.pk}, then start the demo "
                "again.",
            )
        time.sleep(POLL_SECONDS)
    if announced:
        say("the earlier run's jobs have ended: going on")


def _active(instance: str) -> Job | None:
    from backups.models import Job
    from backups.states import ACTIVE_JOB_STATUSES

    jobs = Job.objects.filter(instance__name=instance, status__in=ACTIVE_JOB_STATUSES)
    return jobs.order_by("pk").first()


def main() -> int:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "monitor.settings")
    django.setup()
    from django.conf import settings

    try:
        wait_for_earlier(sys.argv[1], settings.LEASE_SECONDS)
    except SetupError as exc:
        complain(str(exc), exc.hint)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
