"""Is the folder the one that another job left, and may this one go on with it?"""

from __future__ import annotations

import socket

from django.db import transaction

from backups.catalog.copies import open_chain
from backups.exceptions import Refused
from backups.models import Job, KeptRestore
from backups.programs.ancestors import check_ancestors
from backups.programs.occupant import occupant
from backups.restores.kept import boot_id, is_kept
from backups.restores.target import check_room, check_server, has_mark, release_folder
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.restore.prepare import lend_files
from backups.stages.restore.work import RestoreWork
from backups.transitions.jobs import own

_AGAIN = "Remove it with removerestore and restore again."


class TakeOver(PlainStage[RestoreWork]):
    name = "take over"
    may_refuse = True

    def run(self, run: Run, work: RestoreWork) -> str:
        kept = KeptRestore.objects.filter(job=work.continues, claimed_by=run.job).first()
        if kept is None:
            raise Refused(
                f"the folder of job {work.continues} was taken over by another job, or removed",
                hint="Run removerestore without a number to see which folders are kept.",
            )
        check_folder(kept, work)
        work.chain = open_chain(work.copy)
        server = check_server(work.copy, work.server_program, starts=True)
        replayed = work.recovery.room(work.replay_by) if work.recovery is not None else 0
        room = check_room(work.target, replayed)
        _take(run, kept)
        kept.refresh_from_db()
        work.kept = kept
        lend_files(run, work)
        return f"{work.target} of job {work.continues}; {room}; {server}"

    def clean_up(self, run: Run, work: RestoreWork) -> None:
        """Keep the folder, unless nobody can go on with it."""
        if is_kept(work.mark):
            return
        if release_folder(work.target, work.mark):
            run.log(self.name, f"removed the unfinished restore in {work.target}")
        run.forget_leftovers()


def check_folder(kept: KeptRestore, work: RestoreWork) -> None:
    """Raise Refused where a folder is not what was left, or nothing proves what is in it."""
    if kept.host != socket.gethostname():
        raise Refused(
            f"{kept.target} is on {kept.host}, this is {socket.gethostname()}",
            hint=f"Run restorebackup --continue there, with --foreground on {kept.host}.",
        )
    check_ancestors(work.target)
    if not has_mark(work.target, work.mark):
        raise Refused(
            f"{work.target} is not the folder that job {work.continues} left: it has another mark, "
            "or none",
            hint="If it was moved, move it back.",
        )
    if (pid := occupant(work.target)) is not None:
        raise Refused(
            f"{work.target} is the data directory of a running server, pid {pid or 'unknown'}",
            hint="Stop that server first.",
        )
    if kept.boot_id != boot_id() and not kept.in_order:
        raise Refused(
            f"{kept.host} was started since: nothing proves that all of {work.target} had "
            "reached its disk",
            hint=_AGAIN,
        )


def _take(run: Run, kept: KeptRestore) -> None:
    """Make the folder this job's."""
    with transaction.atomic():
        own(run.job, run.token, leftovers=True)
        # What it was left as counts until the server runs.
        taken = KeptRestore.objects.filter(pk=kept.pk, job=kept.job, claimed_by=run.job)
        if not taken.update(job=run.job, claimed_by=None, bytes=None, boot_id=boot_id()):
            raise Refused("another job has just taken the folder over")
        Job.objects.filter(pk=kept.job_id).update(leftovers=False)
