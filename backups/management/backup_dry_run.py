"""What would a backup that is requested now be? Its checks, and the tables of a partial one."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType

from backups.access import runner_of, stores_of
from backups.checks import failed
from backups.jobs.destinations import default_destinations
from backups.jobs.request import refuse_unfit_choice, refuse_unfit_kind
from backups.management.check_table import shown_checks
from backups.management.output import DONE, REFUSED, Answer, table
from backups.models import Instance, Repository
from backups.preflight.checks import run_checks
from backups.table_names.choice import TableChoice


def dry_run(
    instance: Instance,
    kind: str,
    choice: TableChoice | None,
    repositories: Sequence[Repository],
) -> Answer:
    """Run the checks of such a backup; nothing is changed."""
    refuse_unfit_kind(instance, kind)
    refuse_unfit_choice(kind, choice)
    repositories = repositories or default_destinations(instance, kind).repositories
    preflight = run_checks(
        instance, stores_of(repositories), runner_of(instance), None, kind, choice
    )
    survey, refused = preflight.survey, bool(failed(preflight.checks))
    chosen = survey.chosen.tables if survey.chosen else ()
    shown: list[RenderableType] = shown_checks(preflight.checks)
    if chosen:
        rows = [(each.full_name, each.engine) for each in chosen]
        shown += [table(("in the backup", "engine"), rows), ""]
    shown.append(f"A {kind} backup of {instance.name} {_could(refused)}; none was taken.")
    return Answer(
        {
            "instance": instance.name,
            "kind": kind,
            "would_be_refused": refused,
            "raw_bytes": survey.raw_bytes,
            "tables": [each.full_name for each in chosen],
            "not_in": survey.chosen.left_out if survey.chosen else 0,
            "cut_foreign_keys": list(survey.chosen.cut) if survey.chosen else [],
            "checks": [check.as_json() for check in preflight.checks],
        },
        shown,
        REFUSED if refused else DONE,
    )


def _could(refused: bool) -> str:
    return "would be refused" if refused else "can be taken"
