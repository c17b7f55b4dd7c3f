"""May the backup begin? The same checks as ``doctor``, and a refusal with their figures."""

from __future__ import annotations

from django.utils.timezone import now

from backups.access import runner_of
from backups.checks import Verdict
from backups.models.job import LogLevel
from backups.preflight import refuse_if_failed, remember, run_checks
from backups.run import Run
from backups.stages.backup.work import BackupWork
from backups.stages.base import PlainStage

LEVELS = {Verdict.FAILED: LogLevel.ERROR, Verdict.WARNING: LogLevel.WARNING}


class RunPreflight(PlainStage[BackupWork]):
    name = "preflight"

    def run(self, run: Run, work: BackupWork) -> str:
        instance = work.job.instance
        work.preflight = run_checks(instance, work.stores, runner_of(instance))
        checks = work.preflight.checks
        for check in checks:
            level = LEVELS.get(check.verdict, LogLevel.INFO)
            run.log(self.name, f"{check.name}: {check.verdict}: {check.found}", level)
        refuse_if_failed(checks)
        if work.facts is not None:
            remember(instance, work.facts, now(), raw_bytes=work.preflight.survey.raw_bytes)
        warnings = sum(check.verdict is Verdict.WARNING for check in checks)
        return f"{len(checks)} checks, {warnings} with a warning"
