"""Is memory counted for one process at a time?"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bench.measure import MIB, BenchError, run_watched

# Each waits until its peak has been seen: the reader looks every 20 ms.
PARENT = """
import subprocess, sys, time
subprocess.run([sys.executable, "-c", "x = bytearray(200 << 20); import time; time.sleep(0.3)"])
print("done")
"""


def test_a_childs_memory_is_not_its_parents(tmp_path: Path) -> None:
    watched = run_watched(
        [sys.executable, "-c", PARENT],
        environment=os.environ,
        folder=tmp_path,
        log=tmp_path / "log",
    )

    assert watched.output == "done\n"
    assert 0 < watched.peak_rss_bytes < 100 * MIB
    assert max(watched.children_peak_rss_bytes.values()) > 200 * MIB


def test_a_program_that_fails_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="ended with 3"):
        run_watched(
            [sys.executable, "-c", "raise SystemExit(3)"],
            environment=os.environ,
            folder=tmp_path,
            log=tmp_path / "log",
        )
