"""What would a restore of tables read and do, and would it be refused?

Runs the checks of the first stages and changes nothing. The worker runs them again, and looks at
the tables themselves, before it makes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.utils.timezone import localdate

from backups.archive.extract import stored_bytes_needed
from backups.checks import Check, Verdict, failed
from backups.exceptions import MooringError, Refused
from backups.models import BackupCopy
from backups.opened_tables.open import FoundPart, find_part
from backups.opened_tables.part import PartTable
from backups.parameters import RestoreTableParameters
from backups.programs.ancestors import check_ancestors
from backups.restores.target import check_room, check_server, refuse_target
from backups.table_names.names import TableName
from backups.table_restores.request import new_names, tables_of
from backups.table_restores.target import TargetServer, examine_target, named_instance
from backups.table_restores.ways import UNLESS_USED, choose_way
from backups.units import format_bytes, format_count


@dataclass(slots=True)
class PlannedTable:
    """A table, what it becomes, and how."""

    name: TableName
    new_name: TableName
    bytes: int
    # How it gets into an instance; blank where that is not known, or it goes into none.
    way: str = ""
    # The present table under that name is kept so; None: there is none.
    kept_as: TableName | None = None


@dataclass(slots=True)
class TableRestorePlan:
    """The checks of a restore of tables before it starts."""

    checks: list[Check] = field(default_factory=list)
    tables: list[PlannedTable] = field(default_factory=list)
    # What is extracted, the system's files among it, and what of that is the system's.
    extract_bytes: int | None = None
    system_bytes: int | None = None
    # What is read of the stored backups, of how much; None where it is not known before.
    read_bytes: int | None = None
    stored_bytes: int | None = None

    @property
    def refused(self) -> list[Check]:
        return failed(self.checks)


def plan_table_restore(copy: BackupCopy, asked: RestoreTableParameters) -> TableRestorePlan:
    """Check everything the restore depends on that can be known before it runs."""
    plan = TableRestorePlan()
    found: list[FoundPart] = []
    targets: list[TargetServer] = []

    def find() -> str:
        found.append(find_part(copy, tables_of(asked)))
        return f"{format_count(len(found[0].part.tables), 'table')} found in {copy}"

    plan.checks.append(_run_check("copy and tables", find))
    program = asked.mysqld or settings.MYSQLD
    plan.checks.append(
        _run_check("server program", lambda: check_server(copy, program, starts=True))
    )
    if found:
        _add_sizes(plan, found[0], new_names(asked))
        scratch = Path(settings.SCRATCH_FOLDER)
        plan.checks.append(
            _run_check(
                "room in the scratch folder", lambda: check_room(scratch, found[0].part.bytes)
            )
        )
    plan.checks.append(
        _run_check("target", lambda: _check_target(copy, asked, targets, plan.tables))
    )
    if found and targets:
        plan.checks.append(_run_check("ways", lambda: _find_ways(plan, copy, found[0], targets[0])))
    return plan


def _add_sizes(
    plan: TableRestorePlan, found: FoundPart, names: Mapping[TableName, TableName]
) -> None:
    part = found.part
    plan.extract_bytes, plan.system_bytes = part.bytes, part.system_bytes
    plan.stored_bytes = sum(each.manifest.contents.stored_bytes for each in found.chain)
    plan.read_bytes = stored_bytes_needed(found.chain, part.paths.__contains__)
    plan.tables = [PlannedTable(each.name, names[each.name], each.bytes) for each in part.tables]


def _check_target(
    copy: BackupCopy,
    asked: RestoreTableParameters,
    targets: list[TargetServer],
    tables: list[PlannedTable],
) -> str:
    size = sum(table.bytes for table in tables)
    if asked.to_folder is not None:
        refuse_target(Path(asked.to_folder))
        check_ancestors(Path(asked.to_folder))
        return f"{asked.to_folder}: {check_room(Path(asked.to_folder), size)}"
    if asked.sql_file is not None:
        file = Path(asked.sql_file)
        if file.exists() or file.is_symlink():
            raise Refused(f"{file} exists", hint="Name a new file.")
        return f"{file}: {check_room(file.parent, size)}"
    target = examine_target(
        named_instance(asked.to_instance or ""),
        copy.backup.engine,
        new_names(asked),
        token=asked.token,
        replace=asked.replace,
        today=localdate(),
    )
    targets.append(target)
    return f"{target.instance.name} runs {target.facts.version}; names and privileges fit"


def _find_ways(
    plan: TableRestorePlan, copy: BackupCopy, found: FoundPart, target: TargetServer
) -> str:
    """Say how each table comes, by the definitions in the backup; it may have none."""
    new_tables = {new.table: new for new in target.new_tables}
    parts: dict[TableName, PartTable] = {table.name: table for table in found.part.tables}
    backup = copy.backup
    for row in plan.tables:
        new, part = new_tables[row.name], parts[row.name]
        row.kept_as = new.kept_as
        if part.definition is not None:
            way = choose_way(
                part, part.definition.sql, new, target, backup.engine, backup.server_version
            )
            # The numbers are in the files.
            row.way = f"{way.words}{UNLESS_USED if way.by_files else ''}"
    known = sum(bool(row.way) for row in plan.tables)
    return f"known for {known} of {format_count(len(plan.tables), 'table')}"


def lines_of(plan: TableRestorePlan) -> list[str]:
    """Return the plan as a terminal shows it."""
    read = "unknown before" if plan.read_bytes is None else format_bytes(plan.read_bytes)
    lines = []
    if plan.extract_bytes is not None:
        lines.append(
            f"Reads {read} of {format_bytes(plan.stored_bytes)}, extracts "
            f"{format_bytes(plan.extract_bytes)}, of which {format_bytes(plan.system_bytes)} are "
            "the system's files."
        )
    for table in plan.tables:
        kept = f"; the present one is kept as {table.kept_as}" if table.kept_as else ""
        way = f", {table.way}" if table.way else ""
        lines.append(f"{table.name} → {table.new_name}: {format_bytes(table.bytes)}{way}{kept}")
    return lines


def _run_check(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, Verdict.OK, look())
    except MooringError as exc:
        return Check(name, Verdict.FAILED, str(exc), exc.hint)
    except OSError as exc:
        where = f"{exc.filename}: " if exc.filename else ""
        return Check(name, Verdict.FAILED, f"{where}{exc.strerror}")
