"""What is the state of an occurrence, in one word? The same word on every page.

A run that succeeded late is shown as late, and one whose backup is not in every repository it was
to go to, or whose hook failed, as problems: done means that nothing was wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from backups.models import Occurrence
from backups.states import OccurrenceStatus

_WORDS: Mapping[str, str] = {
    OccurrenceStatus.DUE: "due",
    OccurrenceStatus.RUNNING: "running",
    OccurrenceStatus.SUCCEEDED: "done",
    OccurrenceStatus.FAILED: "failed",
    OccurrenceStatus.REFUSED: "refused",
    OccurrenceStatus.MISSED: "missed",
    OccurrenceStatus.SKIPPED: "skipped",
    OccurrenceStatus.CANCELLED: "cancelled",
}
# Of several on one day, the first of these is shown.
WORST_FIRST = (
    "failed", "refused", "missed", "running", "problems", "late", "due", "cancelled", "skipped",
    "done", "unplanned", "paused", "planned",
)  # fmt: skip


# Nothing was backed up, or not on time.
NOT_ON_TIME = ("late", "missed", "refused", "failed")


def word_of(status: str, *, late: bool, problems: bool = False) -> str:
    word = _WORDS[status]
    if problems and word == "done":
        return "problems"
    return "late" if late and word in ("done", "due") else word


def occurrence_word(occurrence: Occurrence) -> str:
    problems = occurrence.job is not None and bool(occurrence.job.problems)
    return word_of(occurrence.status, late=occurrence.late_at is not None, problems=problems)


def worst(words: Iterable[str]) -> str:
    """Return the word for a whole day; blank for a day without runs."""
    return min(words, key=WORST_FIRST.index, default="")


def counted(counts: Mapping[str, int]) -> str:
    """Return ``412 done, 3 late``, the worst first."""
    return ", ".join(f"{counts[word]} {word}" for word in WORST_FIRST if counts.get(word))
