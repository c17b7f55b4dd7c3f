"""The fake media manager, compiled once for a run of the tests."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from backups.repositories.sequential.pipeline import Surroundings
from backups.repositories.sequential.sbt.session import SbtSettings

SOURCE = Path(__file__).with_name("fake_libobk.c")


@cache
def library() -> Path:
    folder = tempfile.mkdtemp(prefix="mooring-libobk-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    built = Path(folder, "libobk.so")
    options = ["-shared", "-fPIC", "-Wall", "-Wno-unused-parameter", "-Werror", "-o", str(built)]
    subprocess.run(["cc", *options, str(SOURCE)], check=True)
    return built


def settings_of(
    folder: Path, stall_seconds: float = 20.0, commands: tuple[str, ...] = (), **faults: object
) -> SbtSettings:
    """Settings of a medium in the folder; ``faults`` are variables of the fake."""
    environment = {f"FAKE_{name.upper()}": str(value) for name, value in faults.items()}
    environment["FAKE_FOLDER"] = str(folder)
    return SbtSettings(
        str(library()),
        commands=commands,
        block_bytes=4096,
        surroundings=Surroundings(environment, None, stall_seconds),
    )
