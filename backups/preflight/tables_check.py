"""Which tables will be in a partial backup, and do its patterns still match something?

A pattern that matches nothing is refused: a table that was renamed would be missing unnoticed.
"""

from __future__ import annotations

from collections.abc import Sequence

from backups.checks import Check, Verdict
from backups.instances.chosen_tables import LONGEST_ENTRY, ChosenTables
from backups.instances.grants import (
    NEEDED_TO_CHOOSE,
    NEEDED_TO_CHOOSE_OF_CLONE,
    WHY,
    Grants,
    grant_statement,
    missing_privileges,
)
from backups.preflight.survey import Survey
from backups.programs.compatibility import CLONE
from backups.units import format_bytes, format_count

NAME = "tables"
# Of what may be many, so many are named.
NAMED = 5
NEEDS_ALL = "Change the patterns; the schemas mysql, sys and performance_schema are always in."


def check_tables(survey: Survey, grants: Grants) -> Check:
    """Check the choice of a partial backup."""
    needed = NEEDED_TO_CHOOSE_OF_CLONE if survey.engine == CLONE else NEEDED_TO_CHOOSE
    if missing := missing_privileges(grants, needed):
        reasons = ", ".join(f"{name} ({WHY[name]})" for name in missing)
        return Check(
            NAME,
            Verdict.FAILED,
            f"the account may not see every table: missing {reasons}",
            f"Run {grant_statement(grants.account, missing)}",
        )
    if survey.chosen is None:
        problem = survey.chosen_problem
        return Check(
            NAME,
            Verdict.FAILED,
            problem.error if problem else "the tables were not read",
            problem.hint if problem else "",
        )
    return judge_chosen(survey.chosen)


def judge_chosen(chosen: ChosenTables) -> Check:
    """Say what is in, refuse what matches nothing, and warn of foreign keys that are cut."""
    if chosen.unmatched:
        found = f"no table matches {_named(chosen.unmatched)}"
        return Check(NAME, Verdict.FAILED, found, NEEDS_ALL)
    if not chosen.tables:
        return Check(NAME, Verdict.FAILED, f"no table is left of {chosen.choice}", NEEDS_ALL)
    if names := chosen.too_long:
        found = f"names longer than {LONGEST_ENTRY} bytes as files: {_named(names)}"
        return Check(NAME, Verdict.FAILED, found, "Exclude these tables, or take a full backup.")
    tables = format_count(len(chosen.tables), "table")
    schemas = format_count(chosen.schemas, "schema")
    found = (
        f"{tables} of {schemas}, {format_bytes(chosen.size_bytes)} of InnoDB and "
        f"{format_bytes(chosen.system_bytes)} of system files; {chosen.left_out} not in"
    )
    if chosen.sent_bytes is not None:
        sent = format_bytes(chosen.sent_bytes)
        found += f"; the donor sends all of its {sent}, and what is not in is dropped on arrival"
    if not chosen.cut:
        return Check(NAME, Verdict.OK, found)
    cut = format_count(len(chosen.cut), "foreign key")
    return Check(
        NAME,
        Verdict.WARNING,
        f"{found}; {cut} to tables that are not in: {_named(chosen.cut)}",
        "Include the parents too, or nothing can be inserted into the children after a restore.",
    )


def _named(names: Sequence[str]) -> str:
    named = ", ".join(names[:NAMED])
    return f"{named} and {len(names) - NAMED} more" if len(names) > NAMED else named
