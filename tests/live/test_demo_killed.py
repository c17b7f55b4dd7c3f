"""kill -9 of all of a demo in its backup: nothing is left, and the next one goes on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from scripts.processes import ROOT
from tests.live.mooring_site import wait_until
from tests.live.server import free_port

pytestmark = pytest.mark.live

OF_TESTS = re.compile("MOORING_|DJANGO_")
# Whoever waits for the lease of a job that was killed does so for as long.
LEASE_SECONDS = 10


@contextmanager
def demo(home: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run the demo as ./mooring does; yield it, and what it prints."""
    environment = {
        # Nothing of the tests' own Mooring.
        **{name: text for name, text in os.environ.items() if not OF_TESTS.match(name)},
        "MOORING_HOME": str(home),
        "MOORING_PORT": str(free_port()),
        "MOORING_LEASE_SECONDS": str(LEASE_SECONDS),
    }
    printed = home.with_suffix(".log")
    with (
        printed.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-u", "-m", "scripts.demo"],
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        ) as running,
    ):  # fmt: skip
        try:
            yield running, printed
        finally:
            running.kill()


def of_demo(home: Path) -> list[psutil.Process]:
    """Every process of a demo, by what it was started with, whoever's child it is by now."""
    return [process for process in psutil.process_iter() if _belongs(process, str(home))]


def _belongs(process: psutil.Process, home: str) -> bool:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        named = process.environ().get("MOORING_HOME") == home
        return process.pid != os.getpid() and (named or home in " ".join(process.cmdline()))
    return False


def said(printed: Path, words: str) -> bool:
    return words in printed.read_text(errors="replace")


def unfinished(home: Path) -> list[Path]:
    """Folders of backups in the repository that have no manifest."""
    folders = (home / "repository").glob("instances/*/backups/*")
    return [folder for folder in folders if not (folder / "manifest.json.zst").exists()]


def test_the_demo_after_one_that_was_killed_finds_nothing_of_it(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    with demo(home) as (first, printed):
        # Its engine is at work, and has stored something.
        wait_until(lambda: unfinished(home) or first.poll() is not None, 240)
        assert first.poll() is None, printed.read_text()
        # Who starts them again first, then each: none can end anything in order.
        first.kill()
        for process in of_demo(home):
            with suppress(psutil.NoSuchProcess):
                process.kill()
    wait_until(lambda: of_demo(home) == [], 60)

    with demo(home) as (second, printed):
        wait_until(lambda: said(printed, "manage verifybackup") or second.poll() is not None, 240)
        assert second.poll() is None, printed.read_text()
        assert said(printed, "the earlier run's jobs have ended: going on")
        wait_until(lambda: unfinished(home) == [])
        second.send_signal(signal.SIGTERM)
        second.wait(60)
    assert of_demo(home) == []
