"""The wall clock of a site's processes, which a test may set at any moment: see stepped_clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypedDict

from tests.live.mooring_site import ROOT


class ClockEnvironment(TypedDict):
    """Where the clock's file is, and the code that reads it."""

    MOORING_TEST_CLOCK: str
    PYTHONPATH: str


class Clock:
    """A wall clock that is off by the seconds in a file."""

    def __init__(self, file: Path, seconds: int = 0) -> None:
        self._file = file
        self.step(seconds)

    def step(self, seconds: int) -> None:
        """Set it off by so much, in one go."""
        new = self._file.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._file)
        self.offset = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    @property
    def environment(self) -> ClockEnvironment:
        """What a process that goes by this clock needs in its environment."""
        path = f"{ROOT / 'tests' / 'live' / 'stepped_clock'}:{ROOT}"
        return {"MOORING_TEST_CLOCK": str(self._file), "PYTHONPATH": path}
