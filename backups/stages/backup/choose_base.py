"""What does an incremental or differential backup go on from? If nothing fits, it is a full one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import transaction

from backups.archive.blocks.differences import Differences
from backups.archive.blocks.full_blocks import FullBlocks
from backups.archive.blocks.reading import StoredTable
from backups.archive.reader import BackupReader
from backups.catalog.copies import open_chain
from backups.chains.candidates import load_candidates, series_of
from backups.chains.planner import Cause, Choice, Wanted, choose_base
from backups.exceptions import (
    ArchiveError,
    MooringError,
    Refused,
    RepositoryError,
    StageFailed,
)
from backups.health.usable import without_marked
from backups.models import Backup, BackupCopy, Repository
from backups.models.job import LogLevel
from backups.models.wanted_copy import WantCause
from backups.running.run import Run
from backups.stages.backup.unfit import leave_short_of_room
from backups.stages.backup.work import BackupWork
from backups.stages.base import PlainStage
from backups.states import AUTO, LINK_KINDS, BackupKind, CopyStatus
from backups.table_names.choice import TableChoice, choice_in_words
from backups.transitions.jobs import own

# A run starts some seconds or minutes later than the one a week ago, or earlier.
TOLERANCE = timedelta(hours=1)
# Regular, where whichever is due was requested.
PLANNED_FULLS = (Cause.FULL_OLD, Cause.INCREMENTS_LARGE, Cause.SEQUENTIAL)
# What fits the job's column.
LONGEST = 300


class ChooseBase(PlainStage[BackupWork]):
    name = "choose base"
    may_refuse = True

    def run(self, run: Run, work: BackupWork) -> str:
        if work.kind == BackupKind.FULL:
            # Decided when it was planned.
            return f"full: {work.job.kind_reason}"
        candidates = load_candidates(work.job.instance, work.choice)
        choice = _of_media(work) or choose_base(_wanted(work), candidates)
        if choice.base:
            try:
                _take_base(run, work, choice)
            except MooringError as exc:
                # A full backup needs nothing of it, and is better than none.
                reason = f"{choice.base} cannot be read: {exc}"
                choice = Choice(BackupKind.FULL, "", reason, Cause.BASE_UNUSABLE)
        if choice.cause:
            own(run.job, run.token, kind_cause=choice.cause, kind_reason=choice.reason[:LONGEST])
        if not choice.base:
            if work.preflight is not None and work.kind in LINK_KINDS:
                # Until now there had to be room for what was requested.
                leave_short_of_room(run, work, work.preflight.survey)
            partial = work.choice is not None
            work.kind = BackupKind.PARTIAL if partial else BackupKind.FULL
            work.base, work.base_table, work.differences = None, None, None
            own(run.job, run.token, kind=work.kind, base=None)
            level = LogLevel.INFO if choice.cause in PLANNED_FULLS else LogLevel.WARNING
            what = "partial backup that stands alone" if partial else "full backup"
            run.log(self.name, f"taking a {what}: {choice.reason}", level)
            return f"{'stands alone' if partial else 'full'}: {choice.reason}"
        return choice.reason


def _of_media(work: BackupWork) -> Choice | None:
    """Return a full backup where a repository is on media that are read from the beginning.

    Its base would have to be read from there first, and a restore would mount a tape for each link.
    """
    media = [repository.name for repository, _ in work.stores if repository.is_sequential]
    if not media:
        return None
    reason = f"{', '.join(media)} is on sequential media, which hold full backups only"
    return Choice(BackupKind.FULL, "", reason, Cause.SEQUENTIAL)


def _wanted(work: BackupWork) -> Wanted:
    began_before = timedelta(days=settings.AUTO_FULL_DAYS) - TOLERANCE
    return Wanted(
        AUTO if work.choice is not None else work.job.requested_kind or work.kind,
        work.job.engine,
        series_of(work.facts.version if work.facts else ""),
        frozenset(repository.name for repository, _ in work.stores),
        settings.MOST_LINKS,
        work.started_at - began_before,
        "" if work.choice is None else str(work.choice),
    )


def _take_base(run: Run, work: BackupWork, choice: Choice) -> None:
    """Hold the base against purges, open its table, and leave the repositories without it."""
    base = Backup.objects.get(label=choice.base)
    repositories = [each for each in work.repositories if each.name not in choice.left]
    with transaction.atomic():
        copies = lock_copies(base, repositories)
        # A purge looks for running jobs with this base.
        own(run.job, run.token, base=base)
    work.base = base
    chains, unreadable = _open_chains(copies)
    _refuse_other_tables(work.choice, [chain[-1] for chain in chains])
    tables = [StoredTable(chain[-1]) for chain in chains]
    if len({table.as_ancestor() for table in tables}) != 1:
        names = ", ".join(repository.name for repository in repositories)
        raise ArchiveError(f"its copies in {names} have different manifests")
    # Now, while a full backup can still be taken instead: it is needed block by block later.
    for table in tables:
        run.check()
        table.check_readable()
    first, *others = (chain[-1] for chain in chains)
    work.base_table = StoredTable(first, others)
    if all(repository.differences for repository in repositories):
        work.differences = Differences(FullBlocks(chains[0][0]))
    for repository, error in unreadable:
        work.leave(run, repository, error)
    for repository in [each for each in work.repositories if each.name in choice.left]:
        error = StageFailed(f"{base.label}, which it is based on, is not stored there")
        work.leave(run, repository, error, WantCause.NO_CHAIN)


def _refuse_other_tables(choice: TableChoice | None, bases: Sequence[BackupReader]) -> None:
    """Raise ArchiveError unless the manifests say that the base has the same choice of tables."""
    wanted = None if choice is None else choice.write()
    for base in bases:
        if (found := base.manifest.about["tables"] or None) != wanted:
            has = "all tables" if found is None else choice_in_words(found)
            raise ArchiveError(f"by its manifest it has {has}, and not {choice or 'all tables'}")


def _open_chains(
    copies: Sequence[BackupCopy],
) -> tuple[list[list[BackupReader]], list[tuple[Repository, MooringError]]]:
    """Open a chain in each repository; return those that do not answer as well, unless all."""
    chains: list[list[BackupReader]] = []
    unreadable: list[tuple[Repository, MooringError]] = []
    for copy in copies:
        try:
            chains.append(open_chain(copy))
        except (RepositoryError, Refused) as exc:
            unreadable.append((copy.repository, exc))
    if not chains:
        raise unreadable[0][1]
    return chains, unreadable


def lock_copies(base: Backup, repositories: Sequence[Repository]) -> list[BackupCopy]:
    """Return the base's copies in the backup's repositories; nobody deletes them meanwhile."""
    copies = list(
        BackupCopy.objects.select_for_update(of=("self",))
        .filter(backup=base, repository__in=repositories, status=CopyStatus.STORED)
        .select_related("repository", "backup__instance")
        .order_by("repository")
    )
    # Asked once they are locked: whoever marks one of them waits, or has done so before.
    staying = without_marked(BackupCopy.objects.filter(pk__in=[copy.pk for copy in copies]))
    if staying.count() != len(repositories):
        raise StageFailed(
            f"{base.label}, the base of the backup, is being deleted",
            hint="Take the backup again.",
        )
    return copies
