"""Is what is to be copied whole, and may it go where it is to go?"""

from __future__ import annotations

from collections.abc import Sequence

from backups.access import checked_store
from backups.catalog.copies import labels_needing, open_chain, other_copies
from backups.exceptions import ArchiveError, Refused, StageFailed
from backups.jobs.copying import CopyPlan, plan_copying
from backups.models import BackupCopy, Job, Repository
from backups.models.job import LogLevel
from backups.preflight.space_estimate import RESERVE_BYTES
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.copying.work import CopyingWork, MissingLink
from backups.stages.proof.evidence import record_damage
from backups.units import format_bytes, format_count


class OpenSource(PlainStage[CopyingWork]):
    name = "open source"
    may_refuse = True

    def run(self, run: Run, work: CopyingWork) -> str:
        plan = plan_copying(work.copy, work.target)
        refuse_parts(plan.missing, work.target, run.job)
        # From here on a purge sees that the copy is read, and keeps all that it needs.
        readers = {str(reader.backup): reader for reader in open_chain(work.copy)}
        work.missing = [MissingLink(copy, readers[str(copy.backup.uuid)]) for copy in plan.missing]
        for link in work.missing:
            run.check()
            check_sizes(run, work, link)
        self._refuse_full_disk(plan)
        backups = format_count(len(work.missing), "backup")
        return f"{backups}, {format_bytes(plan.stored_bytes)} from {work.copy.repository}"

    def _refuse_full_disk(self, plan: CopyPlan) -> None:
        free = checked_store(plan.target).free_bytes()
        if free is not None and free - RESERVE_BYTES < plan.stored_bytes:
            raise Refused(
                f"{format_bytes(plan.stored_bytes)} needed in {plan.target}, "
                f"{format_bytes(free)} free, {format_bytes(RESERVE_BYTES)} of it kept in reserve",
                hint="Free space in the repository, or purge backups there.",
            )


def check_sizes(run: Run, work: CopyingWork, link: MissingLink) -> None:
    """Check that every pack is there with its size; damage is evidence against the copy."""
    try:
        link.reader.check_sizes()
    except ArchiveError as exc:
        raise damage_found(run, work, link, exc) from None


def damage_found(
    run: Run, work: CopyingWork, link: MissingLink, error: ArchiveError
) -> StageFailed:
    """Write evidence against a copy that is damaged; return the error, which names another one.

    Refused: its repository cannot be used, so nothing is known of the copy.
    """
    checked_store(link.copy.repository)
    record_damage(run, link.copy, str(error), copy_of=work.copy.backup.label)
    if names := ", ".join(labels_needing(link.copy)):
        run.log(run.stage, f"needed to restore {names}", LogLevel.ERROR)
    hint = "Take a new backup now: no other copy of it is known to be sound."
    if others := other_copies(link.copy, besides=work.target):
        hint = f"Copy from {others[0].repository} instead, with --from {others[0].repository}."
    return StageFailed(f"{link.copy} is damaged: {error}", hint=hint)


def refuse_parts(missing: Sequence[BackupCopy], target: Repository, job: Job) -> None:
    """Raise Refused while parts of an earlier attempt at one of these may be in the target.

    A tick removes them, and it must not remove what is being written.
    """
    labels = [copy.backup.label for copy in missing]
    dirty = Job.objects.filter(leftovers=True, label__in=labels, repositories=target)
    if earlier := dirty.exclude(pk=job.pk).first():
        raise Refused(
            f"what {earlier} left of {earlier.label} in {target} is not removed yet",
            hint=f"Wait for the next tick; {target} has to be reachable for it.",
        )
