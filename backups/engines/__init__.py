"""How the copy is made: one package per tool."""

from __future__ import annotations

from backups.engines.base import Engine
from backups.engines.clone import CloneEngine
from backups.engines.mariadb_backup import MariadbBackup
from backups.exceptions import BadInput
from backups.programs.compatibility import MARIADB, MYSQL

# What an instance's ``engine`` may say.
ENGINES: dict[str, Engine] = {
    MariadbBackup.name: MariadbBackup(),
    CloneEngine.name: CloneEngine(),
}
# Which of them suits a server, by whose it is.
ENGINE_FOR = {MARIADB: MariadbBackup.name, MYSQL: CloneEngine.name}


def engine_named(name: str) -> Engine:
    """Return the engine an instance, a job or a backup names."""
    try:
        return ENGINES[name]
    except KeyError:
        raise BadInput(f"there is no engine {name!r}: {', '.join(ENGINES)} can be used") from None


__all__ = ["ENGINES", "ENGINE_FOR", "CloneEngine", "Engine", "MariadbBackup", "engine_named"]
