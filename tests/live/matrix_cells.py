"""Which fault is tried at which stage of which operation, and why is one not?"""

from __future__ import annotations

from dataclasses import dataclass

from backups.executor.operations import PLANS
from backups.states import Operation
from tests.live.newer_mariadb import installed_is_older

WORKER, ENGINE, SERVER, FULL, STORE, SSH, BROKER, DATABASE = (
    "kill -9 worker",
    "kill -9 engine",
    "kill -9 server",
    "disk full",
    "store fails",
    "ssh cut",
    "broker away",
    "database away",
)
FAULTS = (WORKER, ENGINE, SERVER, FULL, STORE, SSH, BROKER, DATABASE)
# Stages in which a program of the job's own is at work: the tool, or a restored server.
WITH_ENGINE = {
    "copy", "prepare", "start once", "start server", "check tables", "record", "clean shutdown",
    "upgrade", "start upgraded", "check upgraded", "own checks", "record rehearsal",
}  # fmt: skip
# What is not applicable, and why: written in the document, under the table.
NO_ENGINE = "no program of the job's own is at work"
NO_SERVER = "the instance's server is not asked"
NO_SSH = "nothing is run on another host"
AS_TESTED = "as in a restore test: the stage or its shape is the same"


@dataclass(frozen=True, slots=True)
class Cell:
    operation: Operation
    stage: str
    fault: str

    def __str__(self) -> str:
        return f"{self.operation}-{self.stage}-{self.fault}"

    @property
    def nonsense(self) -> str:
        """Why there is nothing to see here; blank where there is."""
        if self.operation is Operation.REHEARSAL and self.fault not in self._of_rehearsal:
            return AS_TESTED
        if self.fault == ENGINE and self.stage not in WITH_ENGINE:
            return NO_ENGINE
        if self.fault == SERVER and self.operation is not Operation.BACKUP:
            return NO_SERVER
        if self.fault == SSH and self.operation is not Operation.BACKUP:
            return NO_SSH
        return ""

    @property
    def _of_rehearsal(self) -> tuple[str, ...]:
        """Which faults a rehearsal may take otherwise than a restore test."""
        if self.stage in RESTORED:
            return ()
        return (WORKER, ENGINE, FULL) if self.stage in UPGRADING else (WORKER,)


# Only where a restore goes on to a moment: tests/live/test_recovery.py.
OF_REPLAYS = {
    "find transactions", "take over", "replay", "start at moment", "check at moment",
    "record drill",
}  # fmt: skip
# A rehearsal has these of a restore test, and in the next ones a server starts as in none.
RESTORED = {"check target", "extract", "prepare"}
UPGRADING = {"clean shutdown", "upgrade", "start upgraded"}
CELLS = [
    Cell(operation, stage.name, fault)
    for operation, plan in PLANS.items()
    # Killed at each stage in tests/live/test_killed_at_each_stage.py.
    if operation is not Operation.RESTORE_TABLE
    for stage in plan.known_stages
    if stage.name not in OF_REPLAYS
    for fault in FAULTS
]
# Nothing is upgraded to its own series.
PLAYED = {*Operation} - (set() if installed_is_older() else {Operation.REHEARSAL})
SENSIBLE = [cell for cell in CELLS if not cell.nonsense and cell.operation in PLAYED]
