"""Which facts of an instance's recovery objectives do rules check?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from alerts.facts.subject import Facts


@dataclass(frozen=True, slots=True)
class StandingFacts(Facts):
    """An enabled instance with an objective, as it was judged last."""

    rpo: timedelta | None = None
    rto: timedelta | None = None
    # Levels by their values, as ``ObjectiveLevel`` has them.
    rpo_level: str = "none"
    rto_level: str = "none"
    # Whether any moment is reached: without one the rules about backups find something.
    reaches: bool = True
    # How long a recovery should take, with its basis; or why that is unknown.
    recovery: str = ""
    # From when on the trend misses them; None: not within the time looked ahead.
    rpo_missed_from: date | None = None
    rto_missed_from: date | None = None
