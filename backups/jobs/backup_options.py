"""Which parameters does a backup job get from its instance, its request and its schedule?"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import NoReturn

from backups.engines import engine_named
from backups.engines.clone import CloneOptions
from backups.engines.mariadb_backup import MariadbOptions
from backups.exceptions import BadInput
from backups.jobs.increments import refuse_unfit_increment
from backups.models import Instance, Occurrence
from backups.parameters import BackupParameters
from backups.table_names.choice import TableChoice
from backups.typed_json import read_fields


def backup_parameters(
    instance: Instance,
    save_foreign_tables: bool | None,
    choice: TableChoice | None = None,
    optimistic: MariadbOptions | None = None,
    *,
    incremental: bool = False,
) -> BackupParameters:
    """Return the parameters of a backup job of the instance beyond its columns."""
    options, wait = engine_named(instance.engine).options, instance.lock_wait_seconds
    if incremental:
        refuse_unfit_increment(instance.engine, choice)
    if optimistic is not None and not issubclass(options, MariadbOptions):
        refuse_optimistic(instance.engine)
    chosen = {} if choice is None else choice.write()
    if issubclass(options, CloneOptions):
        saves = instance.save_foreign_tables if save_foreign_tables is None else save_foreign_tables
        asked = {"save_foreign_tables": saves, "lock_wait_seconds": wait, **chosen}
        return BackupParameters(read_fields(options, asked))
    if choice is not None:
        both = {} if optimistic is None else {"optimistic": True}
        both |= {"incremental": True} if incremental else {}
        return BackupParameters(read_fields(options, {"lock_wait_seconds": wait, **chosen, **both}))
    if save_foreign_tables:
        raise BadInput(
            f"engine {instance.engine} has no option to save foreign tables",
            hint="Leave the option out: it copies the tables of every storage engine.",
        )
    if optimistic is not None:
        return BackupParameters(replace(optimistic, lock_wait_seconds=wait))
    return BackupParameters(options(lock_wait_seconds=wait))


def refuse_optimistic(engine: str) -> NoReturn:
    raise BadInput(
        f"engine {engine} takes no optimistic backups: a clone copies all files first and then the "
        "pages that changed meanwhile, so quiet tables cost no redo there",
        hint="Leave the option out.",
    )


def scheduled_parameters(occurrence: Occurrence) -> BackupParameters:
    """Return the parameters of a planned backup: the instance's settings, then the schedule's.

    A schedule may cover instances of several engines: each takes the options that it knows.
    """
    usual = backup_parameters(occurrence.instance, None)
    known = {field.name for field in fields(usual.options)}
    chosen = {name: value for name, value in occurrence.schedule.options.items() if name in known}
    return BackupParameters(read_fields(type(usual.options), usual.write() | chosen))
