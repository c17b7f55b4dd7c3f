"""Is every promise of the binlog archive kept, however often it is tried?

    python -m bench.binlog_soak                                   # everything, with its counts
    python -m bench.binlog_soak --only flips,moments --counts moments=5 --product mysql

Private servers of both products, real kills, full disks and cut links. A table says how often
each promise was tried and how often it was not kept; the exit code is 1 if it ever was not.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.arguments import names_of

PRODUCTS = ("mariadb", "mysql")
# How often each promise is tried of each product.
COUNTS = {
    "rotations": 200,
    "killed-receivers": 50,
    "full-disks": 20,
    "cut-streams": 3,
    "killed-sources": 20,
    "histories": 3,
    "failovers": 10,
    "moments": 50,
    "skips": 5,
    "cut-replays": 3,
    "flips": 100,
    "clocks": 50,
    "far": 1,
    "whole": 1,
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--product", type=names_of(PRODUCTS), default=PRODUCTS)
    parser.add_argument("--only", type=names_of(tuple(COUNTS)), default=tuple(COUNTS))
    parser.add_argument("--counts", type=_counts, default={}, metavar="NAME=N,NAME=N")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10**6)
    options = parser.parse_args(argv)
    _set_up()
    print(f"seed {options.seed}, load {os.getloadavg()[0]:.1f}", flush=True)
    print(
        f"{'promise':18} {'product':8} {'count':>6} {'violations':>11} {'seconds':>8}", flush=True
    )
    broken = 0
    for name in options.only:
        for product in options.product:
            count = options.counts.get(name, COUNTS[name])
            broken += _try(name, product, count, options.seed)
    print("every promise was kept" if not broken else f"{broken} violations")
    return 1 if broken else 0


def _try(name: str, product: str, count: int, seed: int) -> int:
    """Try one promise of one product; return the number of violations."""
    from bench.binlog_promises.all import PROMISES
    from bench.binlog_promises.round import Round

    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="binlog-soak-") as folder:
        # Servers of restores run as somebody else.
        Path(folder).chmod(0o755)
        work = Round(product, count, random.Random(seed), Path(folder) / name)
        work.folder.mkdir()
        try:
            PROMISES[name](work)
        except Exception:
            # A promise that could not be tried to its end was not kept.
            work.violations.append(f"not tried to the end: {traceback.format_exc()}")
    seconds, violations = time.monotonic() - began, len(work.violations)
    print(f"{name:18} {product:8} {work.tried:6} {violations:11} {seconds:8.0f}", flush=True)
    for each in work.violations:
        print(f"VIOLATION, {name}, {product}: {each}", flush=True)
    return violations


def _counts(text: str) -> Mapping[str, int]:
    counts = dict(each.split("=", 1) for each in text.split(","))
    if unknown := set(counts) - set(COUNTS):
        raise argparse.ArgumentTypeError(f"there is no section {', '.join(sorted(unknown))}")
    return {name: int(number) for name, number in counts.items()}


def _set_up() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from bench.binlog_promises.home import set_up

    set_up()


if __name__ == "__main__":
    sys.exit(main())
