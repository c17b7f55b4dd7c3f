"""Which files of a copy would a program follow or read as its own options? They go first.

No tool copies such a file, but for the one that is named: whoever put it there meant a program to
find it.
"""

from __future__ import annotations

import os
from pathlib import Path

# Links to where a tablespace is, option files, and what makes a MySQL load components.
SUFFIXES = (".isl", ".cnf", ".my")


def remove_foreign(folder: Path, kept: str = "") -> list[str]:
    """Delete links that lead out of a restored folder, and option files; return their names.

    All links: the copy of a table made during the backup still has another suffix before
    prepare renames it, and without a copy the link would only lead to the original.
    """
    removed: list[str] = []
    for top, _, files, descriptor in os.fwalk(folder):
        for name in files:
            path = os.path.relpath(os.path.join(top, name), folder)
            if name.endswith(SUFFIXES) and path != kept:
                os.unlink(name, dir_fd=descriptor)
                removed.append(path)
    return removed
