"""Do programs started by a test obey signals, even when the run itself ignores them?"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Starts pytest as nohup and & of a shell start it.
IGNORING = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, "-m", "pytest", *sys.argv[1:]])
"""


def test_a_child_obeys_signals() -> None:
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        argv = [sys.executable, "-c", f"import os; os.kill(os.getpid(), {number})"]
        assert subprocess.run(argv, check=False).returncode == -number


def test_started_by_nohup_in_the_background_a_child_obeys_them_too() -> None:
    words = ["-p", "no:cacheprovider", f"{__file__}::test_a_child_obeys_signals"]
    argv = [sys.executable, "-c", IGNORING, *words]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
