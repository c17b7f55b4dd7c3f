"""How long does a stage take for so much work, as an interval? From earlier ones. Pure.

The interval contains nine of ten restores, if the next one is like those before: that of one more
value, by Student's distribution, of the logarithms. So it is wide where little was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

# From so many on, the share that is the same for each size is separated from the rest.
LEAST_TO_FIT = 3
# How many times as much work the largest has as the smallest, for that.
DIFFERENT = 1.5
# A rate from fewer bytes is that of a start, not of the work.
LEAST_BYTES = 1024 * 1024
# With so many degrees of freedom of its own, an instance needs no others to tell how much
# restores differ.
ENOUGH = 4
# Restores that differ by less do so by chance, as a logarithm: about a tenth.
LEAST_SPREAD = 0.1
# Clocks of stages are not finer, in seconds.
LEAST_SECONDS = 0.01
# Student's distribution: the 95th percentile for 1, 2, 3 … degrees of freedom.
_STUDENT = (
    6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771,
    1.761, 1.753, 1.746, 1.740, 1.734, 1.729, 1.725,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """One stage of one restore: how much work it had, in bytes, and how long it took."""

    work: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """How long it should take, in seconds. ``low`` and ``high`` None: measured once."""

    low: float | None
    middle: float
    high: float | None
    measured: int


def fit(
    times: Sequence[Measured],
    work: int,
    *,
    by_bytes: bool,
    like: Sequence[Measured] = (),
) -> Fitted:
    """Return how long ``work`` should take; there has to be at least one measurement.

    ``by_bytes``: of twice as many bytes twice as long, where too little was measured to know
    better; else as long as before, and longer for more. ``like`` are those of other instances,
    which tell how much restores differ, not how long they take.
    """
    scaled, free = _scale(times, work, by_bytes=by_bytes)
    logs = [log(each) for each in scaled]
    middle = sum(logs) / len(logs)
    differences = _squares(logs)
    if free < ENOUGH and like:
        others, more = _scale(like, work, by_bytes=by_bytes)
        differences += _squares([log(each) for each in others])
        free += more
    if free < 1:
        return Fitted(None, exp(middle), None, len(times))
    spread = max(sqrt(differences / free), LEAST_SPREAD)
    width = _STUDENT[min(free, len(_STUDENT)) - 1] * spread * sqrt(1 + 1 / len(logs))
    return Fitted(exp(middle - width), exp(middle), exp(middle + width), len(times))


def _squares(logs: Sequence[float]) -> float:
    middle = sum(logs) / len(logs)
    return sum((each - middle) ** 2 for each in logs)


def _scale(times: Sequence[Measured], work: int, *, by_bytes: bool) -> tuple[list[float], int]:
    """Return how long each would have taken for ``work``, and the degrees of freedom left."""
    telling = _telling(times) if by_bytes else times
    works = [each.work for each in telling]
    if len(telling) >= LEAST_TO_FIT and min(works) > 0 and max(works) >= DIFFERENT * min(works):
        fixed, per_byte = _line(telling)
        reached = fixed + per_byte * work
        scaled = [_seconds(each) * reached / (fixed + per_byte * each.work) for each in telling]
        return [max(each, LEAST_SECONDS) for each in scaled], len(telling) - 2
    scaled = [_one(each, work, by_bytes=by_bytes) for each in telling]
    return scaled, len(telling) - 1


def _telling(times: Sequence[Measured]) -> Sequence[Measured]:
    """Leave out rates of hardly any bytes where there are others."""
    return [each for each in times if each.work >= LEAST_BYTES] or times


def _one(time: Measured, work: int, *, by_bytes: bool) -> float:
    if not time.work or not work:
        return _seconds(time)
    share = work / time.work
    # Some of it is the same whatever the size: a smaller one is no faster.
    return max(_seconds(time) * (share if by_bytes else max(1.0, share)), LEAST_SECONDS)


def _line(times: Sequence[Measured]) -> tuple[float, float]:
    """Return what each takes whatever its work, and what each byte adds: none is negative.

    By least squares of the shares by which each is missed, so that a short one counts as much as
    a long one.
    """
    ones = [1 / _seconds(each) for each in times]
    bytes_ = [each.work / _seconds(each) for each in times]
    xx, xy = sum(x * x for x in ones), sum(x * y for x, y in zip(ones, bytes_, strict=True))
    yy, x_all, y_all = sum(y * y for y in bytes_), sum(ones), sum(bytes_)
    below = xx * yy - xy * xy
    fixed = (x_all * yy - y_all * xy) / below if below > 0 else -1.0
    per_byte = (y_all * xx - x_all * xy) / below if below > 0 else 0.0
    if per_byte < 0:
        return x_all / xx, 0.0
    if fixed < 0:
        return 0.0, y_all / yy
    return fixed, per_byte


def _seconds(time: Measured) -> float:
    return max(time.seconds, LEAST_SECONDS)
