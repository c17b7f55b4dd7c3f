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
            if field.type in _NUMBERS and (number := _number(value)) is not None:
                known[field.name] = int(number) if "int" in str(field.type) else float(number)
            elif field.type == "str" and isinstance(value, str):
                known[field.name] = value[:LONGEST_WORD]
        return cls(**known)

    def write(self) -> dict[str, str | int | float]:
        """Return what is to be stored: only what is known, and no number that cannot be."""
        stored: dict[str, str | int | float] = {}
        for name, value in asdict(self).items():
            if isinstance(value, str) and value:
                stored[name] = value
            elif (number := _number(value)) is not None:
                stored[name] = round(number, 3) if isinstance(number, float) else number
        return stored


_NUMBERS = frozenset({"int", "float", "int | None", "float | None"})


def _number(value: object) -> int | float | None:
    """Return a number that a column can hold: a manifest may have been changed by somebody.

    What a server answers may be anything as well.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) and 0 <= value < 1 << 62 else None
