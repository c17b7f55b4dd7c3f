"""Which folders are kept of restores whose replay did not come to its end?"""

from __future__ import annotations

from dataclasses import dataclass

from backups.models import Job, KeptRestore
from backups.restores.kept import where_it_is
from backups.states import TERMINAL_JOB_STATUSES, Operation


@dataclass(frozen=True, slots=True)
class KeptFolder:
    """A kept folder, and what may be done with it."""

    kept: KeptRestore
    # How far it is, as a sentence without its full stop.
    state: str

    @property
    def is_free(self) -> bool:
        """Whether no job was requested to go on with it."""
        claimed = self.kept.claimed_by
        return claimed is None or not claimed.active


def load_kept_folders() -> list[KeptFolder]:
    """Return those that no running replay works on, the newest first."""
    rows = KeptRestore.objects.filter(job__status__in=TERMINAL_JOB_STATUSES)
    return [_shown(each) for each in rows.select_related("job__instance", "claimed_by")]


def load_kept_folder(job: Job) -> KeptFolder | None:
    """Return the one that a job has left."""
    if job.operation != Operation.RESTORE or job.active:
        return None
    kept = KeptRestore.objects.filter(job=job).select_related("job", "claimed_by").first()
    return _shown(kept) if kept is not None else None


def _shown(kept: KeptRestore) -> KeptFolder:
    words = where_it_is(kept)
    return KeptFolder(kept, f"{words[:1].upper()}{words[1:]}")
