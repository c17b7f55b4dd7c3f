"""What was measured, round by round, and what are its medians and ratios?"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sample:
    """One candidate in one round of one section."""

    section: str
    candidate: str
    round: int
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a figure is found."""

    section: str
    candidate: str
    figure: str


@dataclass(frozen=True, slots=True)
class Ratio:
    """One median divided by another; a target is the most, or the least, it should be."""

    name: str
    above: Place
    # None: the figure itself is compared.
    below: Place | None = None
    at_most: float | None = None
    # Better than required.
    stretch: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """How a ratio compares with its limits."""

    name: str
    value: float
    at_most: float | None
    stretch: float | None

    @property
    def verdict(self) -> str:
        if self.at_most is None:
            return "reported"
        if self.value > self.at_most:
            return "not met"
        return "met, stretch too" if self._beyond() else "met"

    def _beyond(self) -> bool:
        return self.stretch is not None and self.value <= self.stretch


@dataclass(slots=True)
class Samples:
    """Everything measured so far."""

    kept: list[Sample] = field(default_factory=list)

    def add(self, section: str, candidate: str, number: int, figures: Mapping[str, float]) -> None:
        self.kept.append(Sample(section, candidate, number, dict(figures)))

    def sections(self) -> list[str]:
        return list(dict.fromkeys(sample.section for sample in self.kept))

    def candidates(self, section: str) -> list[str]:
        named = (sample.candidate for sample in self.kept if sample.section == section)
        return list(dict.fromkeys(named))

    def values(self, place: Place) -> list[float]:
        return [
            sample.figures[place.figure]
            for sample in self.kept
            if (sample.section, sample.candidate) == (place.section, place.candidate)
            and place.figure in sample.figures
        ]

    def median(self, place: Place) -> float | None:
        """Return the median of all rounds; None where nothing was measured."""
        values = self.values(place)
        return statistics.median(values) if values else None

    def results(self, ratios: Sequence[Ratio]) -> list[Result]:
        """Return every ratio whose figures were measured."""
        results = []
        for ratio in ratios:
            above = self.median(ratio.above)
            below = 1.0 if ratio.below is None else self.median(ratio.below)
            if above is not None and below:
                results.append(Result(ratio.name, above / below, ratio.at_most, ratio.stretch))
        return results
