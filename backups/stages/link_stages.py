"""What was read of each backup of a chain? A sub-operation of the stage for each of them."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.timezone import now

from backups.archive.link_reads import LinkRead
from backups.archive.reader import BackupReader
from backups.models import Job
from backups.running.run import Run
from backups.units import format_bytes

# Of a longer chain only the sums are recorded.
MOST_LINKS_LISTED = 40


def link_names(job: Job) -> Sequence[str]:
    """Name the backups that the job's backup is restored from; none where it needs no other."""
    needed = job.copy.backup.ancestors.count() if job.copy is not None else 0
    if not 0 < needed < MOST_LINKS_LISTED:
        return ()
    return [name_of_link(number) for number in range(needed + 1)]


class LinkStages:
    """Reports the backups of a chain as sub-operations of the present stage."""

    def __init__(self, run: Run, chain: Sequence[BackupReader]) -> None:
        self._run, self._chain = run, chain
        self._listed = set(link_names(run.job))
        self._reads: list[LinkRead] = []

    def link_began(self, number: int) -> None:
        if name_of_link(number) in self._listed:
            self._run.stage_started(name_of_link(number), now())

    def link_ended(self, number: int, read: LinkRead) -> None:
        self._reads.append(read)
        if name_of_link(number) not in self._listed:
            return
        label = self._chain[number].manifest.envelope.label
        self._run.log(self._run.stage, f"{label}: {_in_words(read)}")
        # The page names the instance: what follows it is enough.
        moment = label.rpartition("@")[2]
        self._run.stage_ended(name_of_link(number), now(), detail=f"{moment}: {_in_words(read)}")

    def in_words(self) -> str:
        """Return the sums, to be appended to a stage's detail; blank for a backup that is alone."""
        if len(self._chain) == 1:
            return ""
        whole = LinkRead(0, 0)
        for read in self._reads:
            whole.stored_bytes += read.stored_bytes
            whole.frames += read.frames
            whole.read_bytes += read.read_bytes
            whole.read_frames += read.read_frames
        return f"; {len(self._chain)} backups: {_in_words(whole)}"


def name_of_link(number: int) -> str:
    return f"link {number}" if number else "full backup"


def _in_words(read: LinkRead) -> str:
    return (
        f"{format_bytes(read.read_bytes)} of {format_bytes(read.stored_bytes)} read, "
        f"{read.read_frames:,} of {read.frames:,} frames"
    )
