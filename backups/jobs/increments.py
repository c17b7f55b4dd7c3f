"""May a partial backup be based on an earlier one of the same tables?"""

from __future__ import annotations

from backups.engines import engine_named
from backups.engines.mariadb_backup import MariadbOptions
from backups.exceptions import BadInput
from backups.table_names.choice import TableChoice


def refuse_unfit_increment(engine: str, choice: TableChoice | None) -> None:
    """Raise BadInput where a partial backup cannot be based on another one."""
    if choice is None:
        raise BadInput(
            "only a partial backup has the option incremental",
            hint="Request kind incremental for the whole instance.",
        )
    if not issubclass(engine_named(engine).options, MariadbOptions):
        raise BadInput(
            f"engine {engine} takes no increments of partial backups",
            hint="Leave the option out: the backup then stands alone.",
        )
