"""How does a table get into an instance: as its files, or row by row?

By its files it takes as long as the copy of a file. But what is imported so is in no binlog, may be
missing in the next backup of a MariaDB, and the files must get to the server: where that does not
fit, rows are inserted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from backups.exceptions import Refused
from backups.opened_tables.part import PartTable
from backups.programs.compatibility import CLONE, parse_version
from backups.table_restores.target import NewTable, TargetServer

# Of a plan, which does not look into files.
UNLESS_USED = ", or row by row where the instance still has the table"
_ENCRYPTED = re.compile(r"^\).*\bENCRYPTION='Y'", re.MULTILINE)
_VERSIONED = re.compile(r"\bWITH SYSTEM VERSIONING\b")
_PLAIN = re.compile(r"[0-9A-Za-z_]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Way:
    """How one table is restored."""

    by_files: bool
    # Why row by row; blank by its files.
    reason: str = ""

    @property
    def words(self) -> str:
        return "by its files" if self.by_files else f"row by row: {self.reason}"


def choose_way(
    table: PartTable, created: str, new: NewTable, target: TargetServer, engine: str, version: str
) -> Way:
    """Return the way for a table, or raise Refused where there is none.

    ``created`` is the statement that makes it, ``engine`` and ``version`` are of the backup.
    """
    reason = _why_not_files(table, created, new, target, engine, version)
    if not reason:
        return Way(by_files=True)
    if _VERSIONED.search(created):
        raise Refused(
            f"{table.name} keeps the history of its rows, which statements cannot bring back, and "
            f"its files cannot be imported: {reason}",
            hint="Restore the whole backup, or take its files with --to DIR.",
        )
    return Way(by_files=False, reason=reason)


def why_numbers(used: Sequence[int]) -> str:
    """Return why files do not go where the server has tablespaces of their numbers."""
    numbers = ", ".join(map(str, used))
    return (
        f"the instance has a tablespace of the same number ({numbers}), as of the table itself: a "
        "server with two of them does not start after a crash"
    )


def _why_not_files(
    table: PartTable, created: str, new: NewTable, target: TargetServer, engine: str, version: str
) -> str:
    """Return the first reason against importing its files; blank: there is none."""
    if engine != CLONE:
        # mariadb-backup takes the DISCARD in the redo log for a DROP, and leaves out the file.
        return "backups of a MariaDB leave out imported tables until its next checkpoint"
    if not table.files or any(not file.path.endswith(".ibd") for file in table.files):
        return "it has no tablespace of its own"
    if re.search(r"^\s*FULLTEXT (?:KEY|INDEX) ", created, re.MULTILINE):
        return "its full-text index cannot be imported"
    if _ENCRYPTED.search(created):
        return "it is encrypted: the instance uses a key of its own"
    taken_of, runs = parse_version(version), target.version
    if taken_of is None or runs is None or taken_of[:2] != runs[:2]:
        return f"the instance runs {target.facts.version}, the backup is of {version}"
    if target.facts.log_bin:
        return "the instance writes a binlog, which an import of files would not be in"
    if not target.folder:
        return "the instance's data folder cannot be written from this host"
    if not _PLAIN.fullmatch(new.name.schema):
        return "the name of the schema is another one in its folder"
    return ""
