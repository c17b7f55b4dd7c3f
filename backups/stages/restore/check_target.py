"""May the restore write to the target? Refused, with figures, before anything is written."""

from __future__ import annotations

from backups.catalog.copies import open_chain
from backups.programs.ancestors import check_ancestors
from backups.restores.kept import is_kept
from backups.restores.target import (
    check_room,
    check_server,
    claim_folder,
    refuse_target,
    release_folder,
    room_of,
)
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.restore.work import RestoreWork
from backups.states import Operation
from backups.transitions.jobs import own


class CheckTarget(PlainStage[RestoreWork]):
    name = "check target"
    may_refuse = True

    def run(self, run: Run, work: RestoreWork) -> str:
        work.chain = open_chain(work.copy)
        refuse_target(work.target)
        test = run.job.operation in (Operation.RESTORE_TEST, Operation.REHEARSAL)
        if not test:
            # The folder of tests is set by the administrator.
            check_ancestors(work.target)
        starts = test or not work.no_start
        server = "" if work.raw else check_server(work.copy, work.server_program, starts=starts)
        # What is replayed changes the files, and waits beside them in between.
        replayed = work.recovery.room(work.replay_by) if work.recovery is not None else 0
        room = check_room(work.target, room_of(work.opened()) + replayed)
        own(run.job, run.token, leftovers=True)
        claim_folder(work.target, work.mark)
        return f"{room}; {server}" if server else room

    def clean_up(self, run: Run, work: RestoreWork) -> None:
        """Remove the restored files: a partial data directory must not look complete.

        One onto which a replay has begun is kept, with its mark.
        """
        if is_kept(work.mark):
            return
        if release_folder(work.target, work.mark):
            run.log(self.name, f"removed the unfinished restore in {work.target}")
        run.forget_leftovers()
