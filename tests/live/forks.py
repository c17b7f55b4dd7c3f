"""Mooring's commands in processes that begin as fast as a fork, one at a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Forks:
    """A program that forks a process for each command. It ends with ``close``, or with us."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self.environment = dict(environment)
        # What was started, until its end was requested.
        self._running: int | None = None
        with log.open("ab") as errors:
            self._program = subprocess.Popen(
                [sys.executable, "-m", "tests.live.victim"],
                cwd=ROOT,
                env={**self.environment, "DJANGO_SETTINGS_MODULE": "monitor.settings"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )

    def start(self, *words: str, output: str = os.devnull) -> int:
        """Begin a command and return its process; ``ended`` should be asked next."""
        self._end_forgotten()
        assert self._program.stdin is not None
        self._program.stdin.write(json.dumps([output, words]).encode() + b"\n")
        self._program.stdin.flush()
        self._running = self._answer("started")
        return self._running

    def ended(self) -> int:
        """Wait for the end of what was started and return its exit code."""
        code = self._answer("ended")
        self._running = None
        return code

    def _end_forgotten(self) -> None:
        """A test that failed did not wait for its command: the next one is not to pay for it."""
        if self._running is not None:
            with suppress(ProcessLookupError):
                os.kill(self._running, signal.SIGKILL)
            self.ended()

    def close(self) -> None:
        self._end_forgotten()
        assert self._program.stdin is not None
        self._program.stdin.close()
        self._program.wait(60)

    def _answer(self, what: str) -> int:
        assert self._program.stdout is not None
        word, number = self._program.stdout.readline().split()
        assert word.decode() == what
        return int(number)
