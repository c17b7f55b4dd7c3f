"""Which files does the prepare of a part of a server make, of tables that are not in it?

The redo log of a copy begins at the checkpoint before. If a table has left the part since then, and
another has got its name, InnoDB does not pass over what the log says of the first: it makes its
file again, from the log alone. It cannot where the schema's folder is not in the copy, and ends.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from backups.archive.contained import remove_contained

# As the tool logs it; the names are those of files.
_NOT_FOUND = re.compile(
    r"\[ERROR\] InnoDB: File (?:\./)?([A-Za-z0-9_$@]+)/[A-Za-z0-9_$@#]+\.ibd was not found"
)
# Of a hostile copy the log may name any number of them.
MOST_SCHEMAS = 100
# A file that was copied while its table was new has the second ending until the prepare.
_DATA = (".ibd", ".new")
_FULL_TEXT = "FTS_"
_PARTITION = re.compile(r"#p#", re.IGNORECASE)


class RemadeFiles:
    """Follows the prepare of a part: what it makes for lack of a file is removed afterwards."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._before = _tablespaces(folder)
        self._schemas: list[str] = []

    def make_room(self, output: str) -> bool:
        """Make the schema's folder for want of which a prepare ended; whether there was one."""
        for schema in _NOT_FOUND.findall(output):
            place = self._folder / schema
            if len(self._schemas) < MOST_SCHEMAS and not os.path.lexists(place):
                place.mkdir(mode=0o700)
                owner = self._folder.stat()
                if os.geteuid() == 0:
                    os.chown(place, owner.st_uid, owner.st_gid, follow_symlinks=False)
                self._schemas.append(schema)
                return True
        return False

    def remove(self) -> list[str]:
        """Remove the files of tables without a definition that were not there; return them."""
        made = sorted(f"{name}.ibd" for name in _tablespaces(self._folder) - self._before)
        removed = [name for name in made if not self._is_defined(name.removesuffix(".ibd"))]
        for name in removed:
            remove_contained(self._folder, name)
        for schema in self._schemas:
            place = self._folder / schema
            if not any(place.iterdir()):
                place.rmdir()
        return removed

    def _is_defined(self, name: str) -> bool:
        schema, _, table = name.rpartition("/")
        if table.startswith(_FULL_TEXT):
            # It has no definition of its own, and may be of any table there.
            return any((self._folder / schema).glob("*.frm"))
        return os.path.lexists(self._folder / f"{_PARTITION.split(name)[0]}.frm")


def _tablespaces(folder: Path) -> set[str]:
    """Return the files of tables, as schema/table."""
    paths = (path.relative_to(folder) for path in folder.glob("*/*") if path.suffix in _DATA)
    return {str(path.with_suffix("")) for path in paths}
