"""What did a backup cost the writers of its instance?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from backups.models import Backup
from backups.models.catalog import Origin
from backups.pacing.facts import PaceFacts
from backups.pacing.reasons import PACE_REASONS
from backups.units import format_bytes, format_duration

UNKNOWN = "unknown"
_LABELS = dict(PACE_REASONS)
_Words = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class CostFact:
    """One figure with its label."""

    name: str
    text: str
    # What it is compared with; blank without.
    note: str = ""
    bad: bool = False
    # With a reason beside it.
    wide: bool = False


@dataclass(frozen=True, slots=True)
class PaceCost:
    """The effect of a backup on its instance."""

    facts: PaceFacts

    @property
    def measure(self) -> str:
        """What was measured of statements."""
        return "Mean statement time" if self.facts.measure == "mean" else "p99 of statements"

    @property
    def source(self) -> str:
        return self.facts.source

    @property
    def rows(self) -> list[CostFact]:
        facts = self.facts
        return [
            CostFact(
                self.measure,
                _before_and_during(facts.p99_before_ms, facts.p99_during_ms, _ms),
                _times(facts.p99_before_ms, facts.p99_during_ms),
                bad=is_beyond_target(facts),
            ),
            *self._further_times(),
            CostFact(
                "Statements per second",
                _before_and_during(
                    facts.questions_before_per_s, facts.questions_during_per_s, _count
                ),
                _share(facts.questions_before_per_s, facts.questions_during_per_s),
            ),
            *self._lag(),
            CostFact("Full speed", _seconds(facts.full_s)),
            CostFact("Slowed down", _seconds(facts.limited_s), self._why_slowed(), wide=True),
            *self._guard(),
        ]

    def _further_times(self) -> list[CostFact]:
        facts = self.facts
        rows = []
        if facts.p50_during_ms is not None:
            words = _before_and_during(facts.p50_before_ms, facts.p50_during_ms, _ms)
            rows.append(CostFact("Median of statements", words))
        if facts.p99_worst_ms is not None:
            rows.append(CostFact("At its worst", _ms(facts.p99_worst_ms)))
        if facts.target_ms is not None:
            rows.append(CostFact("Target", _ms(facts.target_ms)))
        return rows

    def _lag(self) -> list[CostFact]:
        lag = self.facts.lag_worst_s
        return [] if lag is None else [CostFact("Worst replication lag", _seconds(lag))]

    def _why_slowed(self) -> str:
        facts = self.facts
        reason = _LABELS.get(facts.main_reason, "")
        parts = [f"mostly: {reason.lower()}"] if reason and facts.limited_s else []
        if facts.lowest_bytes_per_s is not None:
            parts.append(f"at the slowest {format_bytes(facts.lowest_bytes_per_s)}/s")
        return "; ".join(parts)

    def _guard(self) -> list[CostFact]:
        """What kept it from losing its race with the redo log."""
        facts = self.facts
        rows = []
        if facts.unknown_s:
            rows.append(CostFact("Without an answer", _seconds(facts.unknown_s)))
        if facts.redo_lifted:
            often = "once" if facts.redo_lifted == 1 else f"{facts.redo_lifted} times"
            length = _seconds(facts.redo_lifted_s)
            rows.append(
                CostFact("Limit lifted for the redo log", f"{often}, for {length}", bad=True)
            )
        if facts.redo_worst_share is not None:
            share = f"{facts.redo_worst_share * 100:.0f} %"
            rows.append(CostFact("Redo log written and not copied", f"at most {share}"))
        return rows


def is_beyond_target(facts: PaceFacts) -> bool:
    """Whether statements took longer than the target over the whole copy."""
    during, target = facts.p99_during_ms, facts.target_ms
    return during is not None and target is not None and during > target


def cost_of(backup: Backup) -> PaceCost | None:
    """Return what a backup cost; None where nothing was recorded."""
    facts = PaceFacts.read(backup.pace)
    return PaceCost(facts) if facts is not None else None


def has_cost(backup: Backup) -> bool:
    """Whether a backup read an instance for Mooring: only then its cost could be known."""
    return backup.origin == Origin.MANAGED and not backup.consolidated_from


def _before_and_during(before: float | None, during: float | None, words: _Words) -> str:
    return f"{_known(before, words)} before, {_known(during, words)} during"


def _known(value: float | None, words: _Words) -> str:
    return UNKNOWN if value is None else words(value)


def _times(before: float | None, during: float | None) -> str:
    if not before or during is None:
        return ""
    return f"{during / before:.1f} times as long"


def _share(before: float | None, during: float | None) -> str:
    if not before or during is None:
        return ""
    return f"{during / before * 100:.0f} %"


def _ms(value: float) -> str:
    return f"{value:,.1f} ms"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _seconds(value: float) -> str:
    return format_duration(timedelta(seconds=value)) if value else "never"
