"""Where in the spool are an instance's received files, and which of their names may be used?

<home>/binlogs/<instance uuid>/<timeline uuid>/<file>, each identical to the source's file
"""

from __future__ import annotations

import re
from pathlib import Path

from backups.exceptions import BinlogDamaged

# A base name, and the number that grows with every file. A name comes from the source.
_NAME = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]{0,240})\.([0-9]{1,10})")


def file_number(name: str) -> int:
    """Return the number of a binary log's file; BinlogDamaged for what can be no such name."""
    if (parsed := _NAME.fullmatch(name)) is None or ".." in name:
        raise BinlogDamaged(
            f"the source names a binary log {name[:80]!r}",
            hint="Names of letters, digits, dots, dashes and underscores can be archived: "
            "set log_bin to such a name.",
        )
    return int(parsed[2])


def received_files(folder: Path) -> list[Path]:
    """Return the files of a timeline in the spool, oldest first."""
    if not folder.is_dir():
        return []
    files = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]
    return sorted(files, key=lambda path: (file_number(path.name), path.name))
