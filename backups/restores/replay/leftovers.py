"""What does a replay leave in the folder that no server needs?"""

from __future__ import annotations

from pathlib import Path

from backups.archive.contained import remove_contained
from backups.restores.replay.statements import RELAY_LOG

# Of MariaDB: which connections it has, of which there are none.
_CONNECTIONS = "multi-master.info"


def remove_relay_logs(folder: Path) -> None:
    """Remove them once the server has ended; they were reset, and are empty."""
    for name in [each.name for each in folder.iterdir()]:
        if name.startswith(f"{RELAY_LOG}.") or name == _CONNECTIONS:
            remove_contained(folder, name)
