"""Are tables that were copied without the tool still right, as its log comes to what matters?

Two lines matter. When the tool begins to copy it has read its checkpoint: the files must be as they
were marked. When it blocks commits it has blocked DDL: the tables must be the same tables. Both are
looked at when the line arrives, so a little later than it was true: what changes in between is
found as well, and costs no more than an attempt.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from backups.engines.mariadb_backup.quiet import Looks, find_changed, find_replaced
from backups.exceptions import EngineError

_CHECKPOINT_READ = re.compile(r"mariabackup: Starting \d+ threads for parallel data files")
# The second where a tool does not name the first.
_DDL_BLOCKED = re.compile(r"Starting BACKUP STAGE BLOCK_COMMIT|All tables unlocked")
MOST_NAMED = 5


class QuietTablesChanged(EngineError):
    """Tables that were copied as quiet ones have been changed: ``tables`` are not as copied."""

    def __init__(self, tables: frozenset[str], why: str) -> None:
        super().__init__(f"{name_some(tables)} {why}")
        self.tables = tables


class QuietWatch:
    """Follows the log of one run of the tool. ``look`` returns the present state of the tables.

    ``look_deeper`` does so with the ids of their tablespaces and of those files.
    """

    def __init__(
        self, copied: Looks, look: Callable[[], Looks], look_deeper: Callable[[], Looks]
    ) -> None:
        self._copied, self._look, self._look_deeper = copied, look, look_deeper
        self._checkpoint_passed = self._end_passed = False

    def feed(self, line: str) -> QuietTablesChanged | None:
        """Take a line of the log; return an error if tables are not as they were copied."""
        if not self._checkpoint_passed:
            if not _CHECKPOINT_READ.search(line):
                return None
            if late := find_changed(self._copied, self._look()):
                return QuietTablesChanged(late, "changed before the engine had its checkpoint")
            self._checkpoint_passed = True
        elif not self._end_passed and _DDL_BLOCKED.search(line):
            if late := find_replaced(self._copied, self._look_deeper()):
                return QuietTablesChanged(late, "became other tables while the engine copied")
            self._end_passed = True
        return None

    def unproved(self) -> QuietTablesChanged | None:
        """Return an error after a whole run whose log had not both lines, in this order."""
        if self._checkpoint_passed and self._end_passed:
            return None
        return QuietTablesChanged(
            frozenset(self._copied), "cannot be proved right: the tool's log misses a line"
        )


def name_some(tables: frozenset[str]) -> str:
    """Name a few tables and count the others."""
    named = ", ".join(sorted(tables)[:MOST_NAMED])
    others = len(tables) - MOST_NAMED
    return f"{named} and {others} more" if others > 0 else named
