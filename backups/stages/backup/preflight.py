"""May the backup start? The same checks as ``doctor``, and a refusal with their figures."""

from __future__ import annotations

from dataclasses import replace

from django.utils.timezone import now

from backups.access import runner_of
from backups.checks import Check, Verdict
from backups.engines import refuse_unfit_kind
from backups.engines.mariadb_backup.options import MariadbOptions
from backups.exceptions import BadInput, Refused
from backups.instances.connection import login_of
from backups.jobs.request import refuse_unfit_choice
from backups.models.job import LogLevel
from backups.preflight.checks import refuse_if_failed, remember, run_checks
from backups.preflight.clone_checks import INSTALL_PLUGIN, lacks_plugin
from backups.preflight.clone_plugin import install_clone_plugin
from backups.preflight.optimistic_check import check_optimistic
from backups.preflight.same_files import note_unproven_files
from backups.preflight.survey import Survey, clone_options_of
from backups.programs.compatibility import CLONE
from backups.running.run import Run
from backups.stages.backup.unfit import checks_of_others, leave_unfit
from backups.stages.backup.work import BackupWork
from backups.stages.base import PlainStage
from backups.units import format_count

LEVELS = {Verdict.FAILED: LogLevel.ERROR, Verdict.WARNING: LogLevel.WARNING}


class RunPreflight(PlainStage[BackupWork]):
    name = "preflight"
    may_refuse = True

    def run(self, run: Run, work: BackupWork) -> str:
        instance = work.job.instance
        _refuse_unfit(work)
        options = replace(clone_options_of(instance), save_foreign_tables=work.saves_foreign_tables)
        work.preflight = run_checks(
            instance, work.stores, runner_of(instance), options, work.kind, work.choice
        )
        checks = (*work.preflight.checks, *self._checks_of_options(work))
        for check in checks:
            level = LEVELS.get(check.verdict, LogLevel.INFO)
            run.log(self.name, f"{check.name}: {check.verdict}: {check.found}", level)
        note_unproven_files(instance, work.preflight.survey)
        if len(work.stores) > 1:
            refuse_if_failed(checks_of_others(work.preflight.survey, checks))
            leave_unfit(run, work, work.preflight.survey)
        else:
            refuse_if_failed(checks)
        self._install_missing_plugin(run, work.preflight.survey)
        if work.facts is not None:
            # What a partial backup reads is not the size of the instance.
            size = None if work.choice else work.preflight.survey.raw_bytes
            remember(instance, work.facts, now(), raw_bytes=size)
        warnings = sum(check.verdict is Verdict.WARNING for check in checks)
        return f"{format_count(len(checks), 'check')}, {warnings} with a warning"

    def _checks_of_options(self, work: BackupWork) -> list[Check]:
        """Return what is checked because of what was asked of this backup."""
        asked = work.asked.options
        if isinstance(asked, MariadbOptions) and asked.optimistic and work.facts is not None:
            return [check_optimistic(runner_of(work.job.instance), work.facts)]
        return []

    def _install_missing_plugin(self, run: Run, survey: Survey) -> None:
        """Install it after the checks and only if allowed: a refused backup changes no server."""
        facts, allowed = survey.facts, survey.clone_options.install_plugin
        if not allowed or facts is None or facts.clone is None or not lacks_plugin(facts.clone):
            return
        if survey.engine == CLONE:
            install_clone_plugin(login_of(run.job.instance), facts.grants.account)
            run.log(self.name, f"ran on the instance: {INSTALL_PLUGIN}", LogLevel.WARNING)


def _refuse_unfit(work: BackupWork) -> None:
    """Raise Refused: a schedule may have been changed since it planned this, or cover others."""
    try:
        refuse_unfit_kind(work.job.engine, work.kind)
        refuse_unfit_choice(work.kind, work.choice)
    except BadInput as exc:
        raise Refused(str(exc), hint=exc.hint) from None
