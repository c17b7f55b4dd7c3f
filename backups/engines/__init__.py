"""The engines, which make the copies: one package per tool."""

from __future__ import annotations

from typing import Any

from backups.engines.base import CopyRequest, Engine, EngineOptions
from backups.engines.clone import CloneEngine
from backups.engines.mariadb_backup import MariadbBackup
from backups.exceptions import BadInput
from backups.programs.compatibility import MARIADB, MYSQL

# The values of an instance's ``engine``. Any: each takes requests with options of its own, which
# only this table brings together.
ENGINES: dict[str, Engine[Any]] = {
    MariadbBackup.name: MariadbBackup(),
    CloneEngine.name: CloneEngine(),
}
# The engine for each server product.
ENGINE_FOR = {MARIADB: MariadbBackup.name, MYSQL: CloneEngine.name}

# What to do where an engine does not take a kind.
_INSTEAD = {
    "tts": "Take a partial backup of the tables: all it holds can be imported from there.",
}


def engine_named(name: str) -> Engine[Any]:
    """Return the engine that an instance, a job or a backup names."""
    try:
        return ENGINES[name]
    except KeyError:
        raise BadInput(
            f"no engine is called {name!r}: {', '.join(ENGINES)} are supported"
        ) from None


def refuse_unfit_kind(name: str, kind: str) -> None:
    """Raise BadInput if the engine of that name does not take such backups."""
    if kind not in engine_named(name).kinds:
        raise BadInput(
            f"{kind} backups are not supported by engine {name}", hint=_INSTEAD.get(kind, "")
        )


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
