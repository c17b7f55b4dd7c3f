"""Mooring's commands in processes that begin as fast as a fork, one at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Forks:
    """A program that forks a process for each command. It ends with ``close``, or with us."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self.environment = dict(environment)
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
        """Begin a command and return its process; ``ended`` has to be asked next."""
        assert self._program.stdin is not None
        self._program.stdin.write(json.dumps([output, words]).encode() + b"\n")
        self._program.stdin.flush()
        return self._answer()

    def ended(self) -> int:
        """Wait for the end of what was started and return its exit code."""
        return self._answer()

    def close(self) -> None:
        assert self._program.stdin is not None
        self._program.stdin.close()
        self._program.wait(60)

    def _answer(self) -> int:
        assert self._program.stdout is not None
        return int(self._program.stdout.readline())
