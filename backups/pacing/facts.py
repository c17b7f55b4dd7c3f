"""What did a copy cost the writers of its instance, and how was it slowed for them?

Kept in the manifest and in the catalog by name, so that any version can read what any other wrote:
what it does not know, and what it cannot read, is unknown to it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

LONGEST_WORD = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceFacts:
    """The pace of one finished copy. None is unknown."""

    # What was measured: p99 of statements, or their mean time where a server gives no more.
    measure: str = ""
    # From what it was measured.
    source: str = ""
    # In ms, of the seconds before the copy and of all of it.
    p50_before_ms: float | None = None
    p99_before_ms: float | None = None
    p50_during_ms: float | None = None
    p99_during_ms: float | None = None
    # The highest of one interval.
    p99_worst_ms: float | None = None
    target_ms: float | None = None
    questions_before_per_s: float | None = None
    questions_during_per_s: float | None = None
    lag_worst_s: float | None = None
    # How long the copy read without a limit, and with one; and how long its effect was unknown.
    full_s: float = 0
    limited_s: float = 0
    unknown_s: float = 0
    # The lowest limit that was in force; None if there was none.
    lowest_bytes_per_s: int | None = None
    # Why it was limited for the longest time; blank if it was not.
    main_reason: str = ""
    # How often and how long the limit was lifted because of the redo log, and the highest share of
    # it that was written and not copied.
    redo_lifted: int = 0
    redo_lifted_s: float = 0
    redo_worst_share: float | None = None

    @classmethod
    def read(cls, stored: object) -> Self | None:
        """Return what is stored; None if nothing is."""
        if not isinstance(stored, Mapping) or not stored:
            return None
        # Any: each of the type that its field names.
        known: dict[str, Any] = {}
        for field in fields(cls):
            value = stored.get(field.name)
            if field.type in _NUMBERS and _is_number(value):
                known[field.name] = int(value) if "int" in str(field.type) else float(value)
            elif field.type == "str" and isinstance(value, str):
                known[field.name] = value[:LONGEST_WORD]
        return cls(**known)

    def write(self) -> dict[str, str | int | float]:
        """Return what is to be stored: only what is known."""
        known = ((name, value) for name, value in asdict(self).items() if value not in (None, ""))
        return {
            name: round(value, 3) if isinstance(value, float) else value for name, value in known
        }


_NUMBERS = frozenset({"int", "float", "int | None", "float | None"})


# Any: a manifest may hold whatever somebody wrote into it.
def _is_number(value: Any) -> bool:
    return type(value) in {int, float} and math.isfinite(value) and 0 <= value < 1 << 62
