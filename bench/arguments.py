"""What may be said on a command line: sizes, counts, names of sections."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

SHORTEST_GIB = 0.05


def size(text: str) -> float:
    gib = float(text)
    if not SHORTEST_GIB <= gib < 10_000:
        raise argparse.ArgumentTypeError(f"{text} is not a size from {SHORTEST_GIB} GiB on")
    return gib


def count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def names_of(sections: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """Return what reads names separated by commas, all of them from ``sections``."""

    def parse(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if unknown := set(names) - set(sections):
            raise argparse.ArgumentTypeError(f"there is no section {', '.join(sorted(unknown))}")
        return names

    return parse
