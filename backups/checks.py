"""The checks before a job and their findings: the lines ``doctor`` prints."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import asdict, dataclass


class Verdict(enum.StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"  # a backup can be taken, with a limitation to know
    FAILED = "failed"  # no backup until this is fixed
    UNKNOWN = "unknown"  # could not be checked: neither a fault nor a pass


@dataclass(frozen=True, slots=True)
class Check:
    """One check and its finding, with its figures."""

    name: str
    verdict: Verdict
    found: str
    hint: str = ""

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def failed(checks: Iterable[Check]) -> list[Check]:
    """Return the checks that forbid a backup."""
    return [check for check in checks if check.verdict is Verdict.FAILED]
