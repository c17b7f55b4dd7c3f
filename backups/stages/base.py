"""A stage is one sub-operation of a job; all of them have this shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from backups.running.run import Run

# What the stages of one operation hand to each other.
Work = TypeVar("Work", contravariant=True)


class Stage(Protocol[Work]):
    """One sub-operation."""

    @property
    def name(self) -> str:
        """What this kind of stage is called, in settings too."""
        ...

    @property
    def title(self) -> str:
        """What people see of this one. An error reads ``<title> failed: <cause>``."""
        ...

    @property
    def watched(self) -> bool:
        """Whether silence means a stall. False where a server may work without a word."""
        ...

    def children(self, run: Run) -> Sequence[str]:
        """Names of the sub-operations an engine will report within this stage."""
        ...

    def should_run(self, run: Run, work: Work) -> bool:
        """False records the stage as skipped, which is not a failure."""
        ...

    def run(self, run: Run, work: Work) -> str:
        """Do the work or raise; return a line about what was done, or nothing to say."""
        ...

    def clean_up(self, run: Run, work: Work) -> None:
        """Undo what ``run`` left behind, after a failure or a stop of this or a later stage."""
        ...


class PlainStage(Generic[Work]):
    """Answers most stages share."""

    name = ""
    watched = True
    # Tells a stage from others of its kind in the same job: "link 2".
    part = ""

    @property
    def title(self) -> str:
        return f"{self.name} {self.part}" if self.part else self.name

    def children(self, run: Run) -> Sequence[str]:
        return ()

    def clean_up(self, run: Run, work: Work) -> None:
        """Nothing to undo."""

    def should_run(self, run: Run, work: Work) -> bool:
        return True
