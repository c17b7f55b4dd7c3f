"""Which names does a partial copy get from the preflight, and is each of its tables there after?"""

from __future__ import annotations

from collections.abc import Iterable

from backups.archive.contents import Contents
from backups.engines.clone.chosen_files import SUFFIX, table_of_file
from backups.exceptions import StageFailed
from backups.instances.chosen_tables import ChosenTables
from backups.models.job import LogLevel
from backups.running.run import Run
from backups.stages.backup.work import BackupWork
from backups.units import format_count

# MariaDB has a file with the definition of each table and view.
_DEFINITION = ".frm"
# Of many missing tables the first are named.
NAMED = 5


def tables_to_copy(work: BackupWork) -> ChosenTables | None:
    """Return what a partial copy has, None for any other; StageFailed if unknown."""
    chosen = _chosen_of(work)
    if work.choice is not None and chosen is None:
        raise StageFailed(f"the tables of {work.choice} are not known: the preflight has not run")
    return chosen


def note_missing(run: Run, work: BackupWork, contents: Contents) -> None:
    """Say that chosen tables were renamed or dropped before they were copied: a problem."""
    if (chosen := _chosen_of(work)) is None:
        return
    if missing := missing_tables(chosen, (file.path for file in contents.files)):
        named = ", ".join(missing[:NAMED])
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        tables = format_count(len(missing), "chosen table")
        text = f"{tables} renamed or dropped during the copy and not in it: {named}{more}"
        run.log(run.stage, text, LogLevel.WARNING)
        run.problems.append(text)


def missing_tables(chosen: ChosenTables, paths: Iterable[str]) -> list[str]:
    """Return the chosen tables of which a copy has no file."""
    if chosen.sent_bytes is None:
        copied = {path.removesuffix(_DEFINITION) for path in paths if path.endswith(_DEFINITION)}
    else:
        copied = _tablespaces(paths)
    return [
        table.full_name
        for table in chosen.tables
        # A general tablespace elsewhere has another path in a copy.
        if table.file and not table.file.startswith("/") and table.file not in copied
    ]


def _tablespaces(paths: Iterable[str]) -> set[str]:
    """Return the tables that have a file in a clone, and the paths of general tablespaces."""
    files = [path for path in paths if path.endswith(SUFFIX)]
    return {*files, *map(table_of_file, files)}


def _chosen_of(work: BackupWork) -> ChosenTables | None:
    if work.choice is None or work.preflight is None:
        return None
    return work.preflight.survey.chosen
