"""What is refused before a first process starts, whatever is started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from scripts.processes import ROOT


def test_a_stall_limit_for_a_stage_there_is_not(tmp_path: Path) -> None:
    environment = os.environ | {
        "MOORING_HOME": str(tmp_path / "home"),
        "MOORING_STALL_SECONDS_OF_STAGES": "final lock=60",
        "DJANGO_SETTINGS_MODULE": "monitor.settings",
    }
    argv = [sys.executable, "-m", "scripts.prepare"]
    done = subprocess.run(
        argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "names unknown stages: final lock" in done.stderr
    assert "backup lock" in done.stderr
