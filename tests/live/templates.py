"""What is made once in a run and copied by every test that needs one: new servers, empty sites."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

# Names the folder of this run; tests/conftest.py makes and removes it.
SHELF = "MOORING_TEST_SHELF"


def copy_template(name: str, make: Callable[[Path], object], target: Path) -> None:
    """Fill ``target`` with what ``make`` makes in a folder; whoever comes first makes it.

    Where no run of tests has named a folder, as in measurements, it is made in its place.
    """
    if SHELF not in os.environ:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        make(target)
        return
    shelf = Path(os.environ[SHELF])
    template = shelf / name
    with (shelf / f"{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            unfinished = shelf / f"{name}.unfinished"
            unfinished.mkdir(mode=0o700)
            make(unfinished)
            unfinished.rename(template)
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    copy = ["cp", "--archive", "--reflink=auto", "--sparse=always", f"{template}/.", str(target)]
    subprocess.run(copy, check=True)
