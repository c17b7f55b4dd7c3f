"""How does a measurement begin and end, whatever it compares?"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from backups.exceptions import MooringError
from bench import report
from bench.measure import BenchError
from bench.rounds import say
from bench.samples import Ratio, Samples


def empty_folders(work: Path) -> tuple[Path, Path]:
    """Return the folder of logs, and an empty one for what is measured."""
    logs, folder = work / "log", work / "measured"
    shutil.rmtree(folder, ignore_errors=True)
    for each in (logs, folder):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    return logs, folder


def measure_and_show(
    asked: argparse.Namespace,
    measure: Callable[[argparse.Namespace, Samples], None],
    ratios: Sequence[Ratio],
    programs: Sequence[Sequence[str]] = report.PROGRAMS,
) -> int:
    """Measure, print tables, write ``asked.json`` if it is given; return an exit code.

    What was measured before something broke, or a person ended it, is shown all the same.
    """
    began, samples, exit_code = time.monotonic(), Samples(), 0
    try:
        measure(asked, samples)
    except (BenchError, MooringError) as exc:
        say(f"error: {exc}")
        exit_code = 1
    except KeyboardInterrupt:
        exit_code = 130
    results, seconds = samples.results(ratios), time.monotonic() - began
    print(report.tables(samples, results))
    if asked.json:
        text = report.as_json(samples, results, vars(asked), seconds, programs)
        asked.json.write_text(text + "\n", encoding="utf-8")
    say(f"took {seconds:.0f} s")
    return exit_code
