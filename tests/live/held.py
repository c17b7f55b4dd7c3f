"""A command of Mooring stands still at a chosen point, so that a test can kill it there.

Nothing else differs: the stage does its own work, before or after it stands still.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any


class Held:
    """A stage that waits beside its work. Any: work is of a type each operation has its own of."""

    def __init__(self, stage: Any, moment: str) -> None:
        self._stage, self._moment = stage, moment

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage, name)

    def run(self, run: Any, work: Any) -> str:
        if self._moment == "before":
            stand_still()
        detail = self._stage.run(run, work)
        if self._moment == "after":
            stand_still()
        return str(detail)


def stand_still() -> None:
    home = Path(os.environ["MOORING_HOME"])
    (home / "held").touch()
    while not (home / "go").exists():
        time.sleep(0.05)


# The moment of a stage that drops tables: after the first of them.
DROPPING = "dropping"


def hold(operation: str, name: str, moment: str) -> None:
    """Have a stage of this process's operations stand still before, after or in its work."""
    if moment == DROPPING:
        hold_dropping()
    from backups.executor.operations import PLANS
    from backups.states import Operation
    from tests.backups.stage_lists import set_stages

    stages = PLANS[Operation(operation)].known_stages
    assert name in {stage.name for stage in stages}
    held = [Held(stage, moment) if stage.name == name else stage for stage in stages]
    set_stages(Operation(operation), held)


def hold_dropping() -> None:
    from backups.engines.clone import dropping

    drop = dropping._drop

    def held(*words: Any) -> bool:
        dropped = drop(*words)
        stand_still()
        return dropped

    vars(dropping)["_drop"] = held
