"""What can be asked of mariadb-backup only?"""

from __future__ import annotations

import re
from dataclasses import dataclass

from backups.engines.base import EngineOptions
from backups.exceptions import BadInput

# Of its own in an optimistic copy; a plain one has no such sub-operation.
QUIET_TABLES = "quiet tables"
USUAL_AGE_SECONDS = 3600
# A direct write stamps its file as it begins, and on a stalled disk ends much later: no table is
# quiet of which one may still be under way. The clock that stamps moves in steps of milliseconds.
LEAST_AGE_SECONDS = 60
# Far beyond any file's age: a hundred years.
MOST_AGE_SECONDS = 100 * 365 * 86_400
_AGE = re.compile(r"([0-9]{1,10})(s|m|h|d|)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_PATTERN = re.compile(r"[^.\s]+\.[^.\s]+")


@dataclass(frozen=True, slots=True)
class MariadbOptions(EngineOptions):
    """``optimistic``: tables that nobody writes to are copied first, without the tool.

    ``incremental``: a partial backup is based on the newest one of the same tables, where that
    fits and none that stands alone is due.
    """

    optimistic: bool | None = None
    # A table whose files did not change for so long is quiet.
    optimistic_seconds: int | None = None
    # Tables that are never quiet: patterns of schema.table with * and ?, separated by spaces.
    optimistic_busy_tables: str | None = None
    incremental: bool | None = None

    def __post_init__(self) -> None:
        EngineOptions.__post_init__(self)
        age = self.optimistic_seconds
        if age is not None and not LEAST_AGE_SECONDS <= age <= MOST_AGE_SECONDS:
            raise BadInput(
                f"optimistic_seconds is {age}: {LEAST_AGE_SECONDS} to {MOST_AGE_SECONDS} are valid"
            )
        for pattern in self.busy_patterns:
            if not _PATTERN.fullmatch(pattern):
                raise BadInput(
                    f"{pattern!r} is no pattern of tables",
                    hint="Write schema.table, with * and ? as wildcards: shop.*.",
                )
        if not self.optimistic and (age is not None or self.optimistic_busy_tables):
            raise BadInput(
                "the backup is not optimistic, and has options of an optimistic one",
                hint="Add --optimistic (optimistic in a schedule), or leave them out.",
            )
        if self.incremental and self.choice is None:
            raise BadInput(
                "only a backup of chosen tables has the option incremental",
                hint="For the whole instance, take a backup of kind incremental.",
            )
        if self.optimistic and self.choice is not None:
            raise BadInput(
                "a partial backup cannot be optimistic: the tool copies the chosen tables",
                hint="Leave out either the tables or the option.",
            )

    @property
    def skipped_stages(self) -> frozenset[str]:
        return frozenset() if self.optimistic else frozenset({QUIET_TABLES})

    @property
    def is_increment(self) -> bool:
        return bool(self.incremental)

    @property
    def age_seconds(self) -> int:
        """For how long nothing may have changed a quiet table's files."""
        return self.optimistic_seconds or USUAL_AGE_SECONDS

    @property
    def busy_patterns(self) -> tuple[str, ...]:
        return tuple((self.optimistic_busy_tables or "").split())


def parse_age(text: str) -> int:
    """Read an age as it is entered, ``90s``, ``30m``, ``2h`` or ``1d``; return seconds."""
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise BadInput(f"{text!r} is no age", hint="Write it as 90s, 30m, 2h or 1d.")
    return int(match[1]) * _SECONDS[match[2]]
