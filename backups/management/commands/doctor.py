"""Checks whether a backup could be taken, without taking one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now
from rich.console import RenderableType

from backups.access import runner_of, stores_of
from backups.binlog_archive.receiving.checks import archive_checks
from backups.checks import Check, Verdict, failed
from backups.hooks.checks import hook_checks
from backups.management.check_table import shown_checks
from backups.management.output import DONE, REFUSED, Answer, MooringCommand
from backups.management.rows import named_instance, named_repository
from backups.models import Repository
from backups.preflight.checks import Preflight, remember, run_checks
from backups.preflight.left_out import judge_together
from backups.preflight.priority_check import check_priority
from backups.preflight.same_files import note_unproven_files
from backups.runners.base import Runner


class Command(MooringCommand):
    help = "Check everything a backup of an instance depends on, without taking one."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance", help="Its name.")
        parser.add_argument(
            "--repository",
            help="The repository to check, as if a backup went there alone; without it, every "
            "enabled one, as if it went to all.",
        )

    def answer(self, options: dict[str, Any]) -> Answer:
        instance = named_instance(options["instance"])
        stores = stores_of(_repositories(options["repository"]))
        runner = runner_of(instance)
        preflight = run_checks(instance, stores, runner)
        survey = preflight.survey
        note_unproven_files(instance, survey)
        if survey.facts is not None:
            remember(instance, survey.facts, now(), raw_bytes=survey.raw_bytes)
        judged = judge_together(preflight)
        checks = [
            *judged.checks,
            *archive_checks(instance, survey.facts),
            *_priority(preflight, runner),
            *hook_checks(instance),
        ]
        refused = bool(failed(checks))
        return Answer(
            {
                "instance": instance.name,
                "address": instance.address,
                "version": instance.version,
                "raw_bytes": survey.raw_bytes,
                "file_count": survey.file_count,
                "would_be_refused": refused,
                "missing_copies": judged.left_out,
                "checks": [check.as_json() for check in checks],
            },
            _shown(instance.name, checks, judged.missing_copies),
            REFUSED if refused else DONE,
        )


def _repositories(name: str | None) -> list[Repository]:
    if name is not None:
        return [named_repository(name)]
    # No repository is a finding like any other, not bad input.
    return list(Repository.objects.filter(enabled=True))


def _priority(preflight: Preflight, runner: Runner) -> list[Check]:
    """Check it only where commands can be run: one failure to reach a host is enough."""
    survey = preflight.survey
    if survey.host is not None and not survey.host.hostname:
        return []
    return check_priority(runner, next(iter(survey.data_folders), ""))


def _shown(name: str, checks: Sequence[Check], lacking: str) -> list[RenderableType]:
    return [*shown_checks(checks), _conclusion(name, checks, lacking)]


def _conclusion(name: str, checks: Sequence[Check], lacking: str) -> str:
    if bad := failed(checks):
        return f"A backup of {name} would be refused: {', '.join(check.name for check in bad)}."
    warned = [check.name for check in checks if check.verdict is Verdict.WARNING]
    if warned:
        without = f" and with {lacking}" if lacking else ""
        return f"A backup of {name} can be taken, with warnings: {', '.join(warned)}{without}."
    return f"A backup of {name} can be taken."
