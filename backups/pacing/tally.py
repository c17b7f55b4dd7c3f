"""What did a copy cost its instance, summed up over all of it?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from backups.pacing.facts import PaceFacts
from backups.pacing.observation import Baseline, Measure, Observation
from backups.pacing.quantiles import NOTHING, Lengths, merged
from backups.pacing.reasons import PaceReason


@dataclass(slots=True)
class Tally:
    """Sums of one copy; used by one thread."""

    _full_s: float = 0.0
    _limited: Counter[PaceReason] = field(default_factory=Counter)
    _unknown_s: float = 0.0
    _lowest: float | None = None
    _lengths: Lengths = NOTHING
    _worst_ms: float | None = None
    _statements: float = 0.0
    _seconds: float = 0.0
    _lag_worst_s: float | None = None
    _lifted: int = 0
    _lifted_ms: float = 0.0
    _redo_worst: float | None = None

    def limit(self, seconds: float, rate: float | None, reason: PaceReason) -> None:
        """Count time with a limit, or without."""
        if rate is None:
            self._full_s += seconds
        else:
            # A counter of whole milliseconds.
            self._limited[reason] += round(seconds * 1000)
            self._lowest = rate if self._lowest is None else min(self._lowest, rate)
        if reason is PaceReason.UNKNOWN:
            self._unknown_s += seconds
        if reason is PaceReason.REDO:
            self._lifted_ms += seconds * 1000

    def see(self, seen: Observation) -> None:
        """Count an interval that the probe saw."""
        self._statements += seen.questions_per_s * seen.seconds
        self._seconds += seen.seconds
        if seen.lag_s is not None:
            self._lag_worst_s = max(seen.lag_s, self._lag_worst_s or 0.0)
        self._lengths = merged(self._lengths, seen.lengths)
        if seen.p99_ms is not None:
            self._worst_ms = max(seen.p99_ms, self._worst_ms or 0.0)

    def redo(self, share: float, *, lifted: bool) -> None:
        """Count a look at the redo log; ``lifted``: its limit was lifted by it."""
        self._redo_worst = max(share, self._redo_worst or 0.0)
        self._lifted += lifted

    def facts(
        self, before: Baseline, measure: Measure, source: str, target_ms: float | None
    ) -> PaceFacts:
        """Return the facts of the copy."""
        main = self._limited.most_common(1)
        mean = measure is Measure.MEAN
        lengths = self._lengths
        return PaceFacts(
            measure=measure if source else "",
            source=source,
            p50_before_ms=before.p50_ms,
            p99_before_ms=before.p99_ms,
            p50_during_ms=None if mean else lengths.p50_ms,
            p99_during_ms=lengths.mean_ms if mean else lengths.p99_ms,
            p99_worst_ms=self._worst_ms,
            target_ms=target_ms,
            questions_before_per_s=before.questions_per_s,
            questions_during_per_s=self._statements / self._seconds if self._seconds else None,
            lag_worst_s=self._lag_worst_s,
            full_s=self._full_s,
            limited_s=self._limited.total() / 1000,
            unknown_s=self._unknown_s,
            lowest_bytes_per_s=None if self._lowest is None else int(self._lowest),
            main_reason=main[0][0] if main else "",
            redo_lifted=self._lifted,
            redo_lifted_s=self._lifted_ms / 1000,
            redo_worst_share=self._redo_worst,
        )
