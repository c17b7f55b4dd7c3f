"""Records a passed restore test on the copy, and removes its files, unless a drill goes on."""

from __future__ import annotations

from backups.exceptions import StageFailed
from backups.restores.target import release_folder
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.proof.evidence import failure_as_evidence, record
from backups.stages.restore.work import RestoreWork
from backups.table_names.choice import choice_in_words
from backups.units import format_duration


class RecordRestoreTest(PlainStage[RestoreWork]):
    name = "record"
    watched = False

    def run(self, run: Run, work: RestoreWork) -> str:
        if work.server is None or work.began_at is None or work.answered_at is None:
            raise StageFailed("the restored server was never started")
        # The shutdown is part of the test: a crash during it is evidence against the copy.
        with failure_as_evidence(run, work.copy, self.name):
            work.server.shut_down()
        if work.goal is None:
            release_folder(work.target, run.job.pk)
            run.forget_leftovers()
        recovery_time = work.answered_at - work.began_at
        prepared = work.prepared
        report: dict[str, object] = {
            "tables": work.tables,
            "binlog_file": prepared.binlog_file,
            "binlog_position": prepared.binlog_position,
            "gtid_executed": prepared.gtid_executed,
            "remark": work.remark,
        }
        if chosen := choice_in_words(work.copy.backup.choice):
            report["partial"] = chosen
        if needed := [reader.manifest.envelope.label for reader in work.chain[:-1]]:
            report["with"] = needed
        record(run, work.copy, passed=True, report=report, recovery_time=recovery_time)
        partial = f"; partial: {chosen}" if chosen else ""
        return f"recovery took {format_duration(recovery_time)}{partial}"
