"""Registers the backup in the catalog: from here on it exists."""

from __future__ import annotations

from django.db import transaction
from django.utils.timezone import now

from backups.access import locks_of
from backups.catalog.locks import note_copy_lock
from backups.catalog.register import register_backup
from backups.exceptions import MooringError, StageFailed
from backups.models import BackupCopy
from backups.models.job import LogLevel
from backups.running.run import Run
from backups.stages.backup.choose_base import lock_copies
from backups.stages.backup.reserve import remove_parts
from backups.stages.backup.work import NewBackup
from backups.stages.base import PlainStage
from backups.transitions.jobs import own
from backups.transitions.wanted_copies import want_copy


class Register(PlainStage[NewBackup]):
    name = "register"

    def run(self, run: Run, work: NewBackup) -> str:
        if work.contents is None or work.envelope is None:
            raise StageFailed("no contents to register: the copy stage has not run")
        with transaction.atomic():
            # First, so that a run that has lost its lease registers nothing.
            follows = {"occurrence": work.follows} if work.follows else {}
            dirty = bool(work.with_parts)
            own(run.job, run.token, leftovers=dirty, problems=work.problems, **follows)
            if work.base is not None:
                lock_copies(work.base, work.repositories)
            backup = register_backup(
                work.about,
                work.contents,
                key_id=work.envelope.key_id,
                manifest_digest=work.manifest_digest,
                folder=work.folder,
                repositories=work.repositories,
                instance=work.job.instance,
                made_by=work.job,
            )
            for left in work.left:
                want_copy(
                    backup, left.repository, left.cause, error=left.error, hint=left.hint,
                    job=run.job,
                )  # fmt: skip
        if dirty:
            self._remove_parts(run, work)
        note_locks(run, work, self.name)
        return f"{work.label}; {'; '.join(work.problems.splitlines())}".removesuffix("; ")

    def _remove_parts(self, run: Run, work: NewBackup) -> None:
        """The backup exists: what cannot be removed now, a tick removes."""
        try:
            # Without its lease, what is there may be a copy that was made meanwhile.
            own(run.job, run.token, leftovers=True)
            remove_parts(run, work, work.with_parts, self.name)
        except MooringError as exc:
            run.log(self.name, f"removed later: {exc}", LogLevel.WARNING)


def note_locks(run: Run, work: NewBackup, stage: str) -> None:
    """Read back until when the copies are locked; if that fails now, a tick does it later."""
    copies = BackupCopy.objects.filter(backup__uuid=work.backup).exclude(repository__lock_mode="")
    for copy in copies.select_related("backup", "repository"):
        try:
            if (locks := locks_of(copy.repository)) is not None:
                note_copy_lock(locks, copy, now(), keep=True)
        except MooringError as exc:
            run.log(stage, f"the lock in {copy.repository} is read later: {exc}")
