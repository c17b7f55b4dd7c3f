"""Are the copies of an instance as many, and as far apart, as is wanted: 3-2-1-1-0?"""

from __future__ import annotations

from collections.abc import Iterator

from alerts.facts.instance import CopiesFacts
from alerts.rules.base import STATE_DAMPING, Finding, Limits, Rule, Threshold, Unit
from alerts.states import Severity
from backups.health.spread import COPIES, MEDIA, SpreadAnswer

ERRORS = "errors"
# In the order of the answers. Off: not wanted.
WANTED = (
    Threshold("copies", "Copies, with the data itself", Unit.COUNT, COPIES),
    Threshold("media", "Different media", Unit.COUNT, MEDIA),
    Threshold("elsewhere", "Copies at another site", Unit.COUNT, 1),
    Threshold("undeletable", "Copies that nobody can delete", Unit.COUNT, 1),
    Threshold(ERRORS, "Errors at most", Unit.COUNT, 0),
)


def check_spread(facts: CopiesFacts, limits: Limits) -> Finding | None:
    """One finding for all that is wanted and known to be missing; unknown is not missing."""
    missing = list(_missing(facts, limits))
    if not missing:
        return None
    words = "; ".join(f"{answer.wanted}: {answer.found}" for answer in missing)
    hint = " ".join(answer.missing for answer in missing if answer.missing)
    return Finding(
        message=f"not as wanted of {words}",
        facts={"missing": [answer.wanted for answer in missing]},
        hint=hint,
    )


def _missing(facts: CopiesFacts, limits: Limits) -> Iterator[SpreadAnswer]:
    for answer, threshold in zip(facts.answers, WANTED, strict=True):
        wanted = limits.number(threshold.name)
        if wanted is None or answer.met is None:
            continue
        too_many, too_few = answer.count > wanted, answer.count < wanted
        if too_many if threshold.name == ERRORS else too_few:
            yield answer


COPIES_NOT_SPREAD = Rule(
    name="copies_not_spread",
    title="Copies are too few or not apart",
    about=CopiesFacts,
    check=check_spread,
    severity=Severity.WARNING,
    explanation="The recent copies of an instance do not meet 3-2-1-1-0: three copies with the "
    "data itself, on two media, one at another site, one that nobody can delete, none with an "
    "error. What is not known does not count as missing. Disabled by default: set the numbers that "
    "you want, and those that you do not want to off.",
    hint="Open the page Copies: it shows what each instance has.",
    resolves_when="All that is wanted has been there, or unknown, for 5 minutes.",
    thresholds=WANTED,
    enabled=False,
    damping=STATE_DAMPING,
)
RULES = (COPIES_NOT_SPREAD,)
