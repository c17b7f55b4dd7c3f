"""How the copy is made: one package per tool."""

from __future__ import annotations

from typing import Any

from backups.engines.base import CopyRequest, Engine, EngineOptions
from backups.engines.clone import CloneEngine
from backups.engines.mariadb_backup import MariadbBackup
from backups.exceptions import BadInput
from backups.programs.compatibility import MARIADB, MYSQL

# What an instance's ``engine`` may say. Any: each takes requests with options of its own, which
# only this table brings together.
ENGINES: dict[str, Engine[Any]] = {
    MariadbBackup.name: MariadbBackup(),
    CloneEngine.name: CloneEngine(),
}
# Which of them suits a server, by whose it is.
ENGINE_FOR = {MARIADB: MariadbBackup.name, MYSQL: CloneEngine.name}


def engine_named(name: str) -> Engine[Any]:
    """Return the engine an instance, a job or a backup names."""
    try:
        return ENGINES[name]
    except KeyError:
        raise BadInput(f"there is no engine {name!r}: {', '.join(ENGINES)} can be used") from None


def refuse_unfit_kind(name: str, kind: str) -> None:
    """Raise BadInput where the engine of that name takes no such backups."""
    if kind not in engine_named(name).kinds:
        raise BadInput(f"{kind} backups are not supported by engine {name}")


__all__ = [
    "ENGINES",
    "ENGINE_FOR",
    "CloneEngine",
    "CopyRequest",
    "Engine",
    "EngineOptions",
    "MariadbBackup",
    "engine_named",
    "refuse_unfit_kind",
]
