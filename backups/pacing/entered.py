"""How are the settings of a pace entered, and written for people?"""

from __future__ import annotations

from backups.pacing.hours import FULL, parse_rate
from backups.pacing.target import PaceColumns, PaceTarget
from backups.units import format_bytes

_UNITS = ((1 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K"))
NO_LIMIT = "no limit"


def format_rate(bytes_per_s: int) -> str:
    """Write a rate as it is entered: ``20M``; 0 is ``full``."""
    if not bytes_per_s:
        return FULL
    for size, unit in _UNITS:
        if bytes_per_s % size == 0:
            return f"{bytes_per_s // size}{unit}"
    return str(bytes_per_s)


def parse_limit(text: str) -> int:
    """Read a limit as it is entered; 0 is none. BadInput if it is no rate."""
    text = text.strip()
    return 0 if text.lower() in {"0", "none"} else parse_rate(text) or 0


def describe_own(row: PaceColumns) -> str:
    """Return what a schedule or an instance says itself; blank if it says nothing."""
    parts = [
        "" if row.pace_factor is None else _factor(row.pace_factor),
        "" if row.pace_lag_seconds is None else _lag(row.pace_lag_seconds),
        "" if row.pace_bytes_per_s is None else _limit(row.pace_bytes_per_s),
        row.pace_hours.strip(),
    ]
    return "; ".join(part for part in parts if part)


def describe_target(target: PaceTarget) -> str:
    """Return everything that a copy keeps to, except for limits by hours."""
    return "; ".join((_factor(target.factor), _lag(target.lag_seconds), _limit(target.bytes_per_s)))


def _factor(factor: float) -> str:
    if not factor:
        return "statement times not watched"
    return f"statements at most {factor:g} times as long as before"


def _lag(seconds: int) -> str:
    if not seconds:
        return "replication lag not watched"
    return f"replication at most {seconds} s further behind"


def _limit(bytes_per_s: int) -> str:
    return f"at most {format_bytes(bytes_per_s)}/s" if bytes_per_s else NO_LIMIT
