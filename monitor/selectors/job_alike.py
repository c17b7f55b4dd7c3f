"""Have jobs failed in the same way: same operation, stage and kind of error?"""

from __future__ import annotations

from dataclasses import dataclass

from backups.models import Job

SHOWN = 5
# Further jobs are not counted: the text says "at least".
MAX_COUNTED = 100


@dataclass(frozen=True, slots=True)
class SimilarFailures:
    """Other jobs that failed in the same way, the newest first."""

    jobs: list[Job]
    count: int
    here: int

    @property
    def words(self) -> str:
        """Return how often, and how often on the same instance."""
        many = "at least " if self.count >= MAX_COUNTED else ""
        times = "once" if self.count == 1 else f"{many}{self.count} times"
        if self.here == self.count:
            return f"{times}, always on this instance"
        return f"{times}, {self.here or 'never'} on this instance"


def load_similar_failures(job: Job) -> SimilarFailures | None:
    """Return jobs that failed in the same way; None if this one did not fail or is the only one."""
    if not job.failure_key:
        return None
    same = Job.objects.filter(operation=job.operation, failure_key=job.failure_key)
    owners = list(
        same.exclude(pk=job.pk).order_by("-id").values_list("pk", "instance")[:MAX_COUNTED]
    )
    if not owners:
        return None
    newest = [pk for pk, _ in owners[:SHOWN]]
    jobs = list(Job.objects.filter(pk__in=newest).select_related("instance").order_by("-id"))
    here = sum(instance == job.instance_id for _, instance in owners)
    return SimilarFailures(jobs, len(owners), here)
