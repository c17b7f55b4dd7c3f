"""A stage is one sub-operation of a job; all of them have this shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from backups.running.run import Run

# The work object that the stages of one operation pass to each other.
Work = TypeVar("Work", contravariant=True)


class Stage(Protocol[Work]):
    """One sub-operation."""

    @property
    def name(self) -> str:
        """The name of this kind of stage, as used in settings."""
        ...

    @property
    def title(self) -> str:
        """The displayed name. An error reads ``<title> failed: <cause>``."""
        ...

    @property
    def watched(self) -> bool:
        """Whether silence means a stall. False if a server may work without any output."""
        ...

    @property
    def may_refuse(self) -> bool:
        """Whether the job is refused, not failed, if it raises ``Refused`` or ``BadInput``.

        Only before anything was changed.
        """
        ...

    def children(self, run: Run) -> Sequence[str]:
        """Names of the sub-operations an engine will report within this stage."""
        ...

    def should_run(self, run: Run, work: Work) -> bool:
        """Return False to record the stage as skipped, which is not a failure."""
        ...

    def run(self, run: Run, work: Work) -> str:
        """Do the work or raise; return a line about the result, or an empty string."""
        ...

    def clean_up(self, run: Run, work: Work) -> None:
        """Undo ``run`` after this or a later stage has failed or was stopped."""
        ...


class PlainStage(Generic[Work]):
    """Defaults of most stages."""

    name = ""
    watched = True
    may_refuse = False
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
