"""Operations with other stages than their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from backups.executor.operations import PLANS, always
from backups.stages.base import Stage
from backups.states import Operation


# Any: as in the table itself.
def set_stages(
    operation: Operation, stages: Sequence[Stage[Any]], patch: pytest.MonkeyPatch | None = None
) -> None:
    """Give an operation these stages; without ``patch``, for as long as the process lives."""
    plan = replace(PLANS[operation], stages=always(stages), known_stages=stages)
    if patch is None:
        PLANS[operation] = plan
    else:
        patch.setitem(PLANS, operation, plan)
