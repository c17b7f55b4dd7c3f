"""Operations with other stages than their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from backups.executor.operations import PLANS
from backups.models import Job
from backups.stages.base import Stage
from backups.states import Operation


# Any: as in the table itself.
def set_stages(
    operation: Operation, stages: Sequence[Stage[Any]], patch: pytest.MonkeyPatch | None = None
) -> None:
    """Give an operation these stages; without ``patch``, for as long as the process lives."""
    usual = PLANS[operation]

    def chosen(job: Job, asked: Any) -> Sequence[Stage[Any]]:
        """What stands in for a stage that a request does not lead to is left out as well."""
        known = {stage.name for stage in usual.known_stages}
        left_out = known - {stage.name for stage in usual.stages(job, asked)}
        return [stage for stage in stages if stage.name not in left_out]

    plan = replace(usual, stages=chosen, known_stages=stages)
    if patch is None:
        PLANS[operation] = plan
    else:
        patch.setitem(PLANS, operation, plan)
