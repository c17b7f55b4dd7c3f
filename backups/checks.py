"""What was looked at before a job, and what was found: the lines ``doctor`` prints."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import asdict, dataclass


class Verdict(enum.StrEnum):
    """What a check says."""

    OK = "ok"
    WARNING = "warning"  # a backup can be taken, and someone should know
    FAILED = "failed"  # no backup until this is mended
    UNKNOWN = "unknown"  # could not be looked at: neither a fault nor a pass


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer, with the figures in it."""

    name: str
    verdict: Verdict
    found: str
    hint: str = ""

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def failed(checks: Iterable[Check]) -> list[Check]:
    """Return the checks that forbid a backup."""
    return [check for check in checks if check.verdict is Verdict.FAILED]
