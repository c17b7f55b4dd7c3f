"""The engines, which make the copies: one package per tool."""

from __future__ import annotations

from backups.engines.base import Engine
from backups.engines.clone import CloneEngine
from backups.engines.mariadb_backup import MariadbBackup
from backups.exceptions import BadInput
from backups.programs.compatibility import MARIADB, MYSQL

# The values of an instance's ``engine``.
ENGINES: dict[str, Engine] = {
    MariadbBackup.name: MariadbBackup(),
    CloneEngine.name: CloneEngine(),
}
# The engine for each server product.
ENGINE_FOR = {MARIADB: MariadbBackup.name, MYSQL: CloneEngine.name}


def engine_named(name: str) -> Engine:
    """Return the engine that an instance, a job or a backup names."""
    try:
        return ENGINES[name]
    except KeyError:
        raise BadInput(
            f"no engine is called {name!r}: {', '.join(ENGINES)} are supported"
        ) from None


__all__ = ["ENGINES", "ENGINE_FOR", "CloneEngine", "Engine", "MariadbBackup", "engine_named"]
