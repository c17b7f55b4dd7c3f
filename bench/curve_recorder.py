"""Mooring's commands, with a note of every decision on the pace of a copy.

Started by ``bench.curves`` instead of ``manage.py``. BENCH_CURVE names the file of JSON lines;
BENCH_STEPS, if it is set, the limits in MiB/s that each second gets instead of what the rule says.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO
from unittest.mock import patch

import manage
from backups.pacing import rule
from backups.pacing.observation import Observation
from backups.pacing.reasons import PaceReason
from backups.pacing.rule import PaceWanted, RuleState
from bench.measure import MIB

FILE, STEPS = "BENCH_CURVE", "BENCH_STEPS"


class Recorder:
    """The rule, and a line for each of its decisions."""

    def __init__(self, lines: TextIO, steps: Sequence[float]) -> None:
        self._lines, self._steps = lines, steps
        self._count = 0

    def decide(
        self,
        state: RuleState,
        wanted: PaceWanted,
        seen: Observation | None,
        read_bytes_per_s: float,
    ) -> RuleState:
        second = {
            "at": time.time(),
            "limit": None if state.rate is None else state.rate / MIB,
            "read": read_bytes_per_s / MIB,
            "p99_ms": None if seen is None else seen.p99_ms,
            "statements": None if seen is None else seen.questions_per_s,
            "target_ms": wanted.target_ms,
        }
        self._lines.write(json.dumps(second) + "\n")
        self._lines.flush()
        following = rule.decide(state, wanted, seen, read_bytes_per_s)
        if self._steps:
            step = self._steps[min(self._count, len(self._steps) - 1)]
            # As a limit of its own: intervals of a copy that begins are shorter.
            reason = PaceReason.CONFIGURED
            following = replace(following, rate=step * MIB if step else None, reason=reason)
        self._count += 1
        return following


def main() -> None:
    if FILE not in os.environ:
        manage.main()
        return
    steps = [float(text) for text in os.environ.get(STEPS, "").split(",") if text]
    with Path(os.environ[FILE]).open("w", encoding="utf-8") as lines:
        recorder = Recorder(lines, steps)
        with patch("backups.pacing.controller.decide", recorder.decide):
            manage.main()


if __name__ == "__main__":
    main()
