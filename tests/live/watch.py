"""What an engine says to whoever watches it prepare, kept for a test to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from backups.programs.redo_progress import RedoProgress
from tests.live.observer import Diary


class Watch(Diary):
    """A diary that a prepare can be watched with; nothing ever calls it off."""

    def check(self) -> None: ...

    def alive(self) -> None: ...

    def redo_applied(self, redo: RedoProgress) -> None: ...

    def process_started(self, group: int, started: float) -> None: ...

    @contextmanager
    def ending_by(self, hook: Callable[[], None]) -> Iterator[None]:
        yield
