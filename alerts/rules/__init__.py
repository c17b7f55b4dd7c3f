"""All rules, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alerts.rules import (
    age,
    binlogs,
    chains,
    copies,
    failures,
    history,
    instances,
    locks,
    machinery,
    objective,
    pace,
    planned_proofs,
    proof,
    punctuality,
    running,
    spread,
    storage,
    success,
)
from alerts.rules.base import Finding, Limits, Rule, Threshold, Unit
from alerts.rules.machinery import RULE_BROKEN
from alerts.rules.spread import COPIES_NOT_SPREAD
from alerts.rules.success import BACKUP_SUCCEEDED

# Any: each rule checks its own type of facts.
AnyRule = Rule[Any]
_FAMILIES = (
    failures,
    punctuality,
    running,
    age,
    chains,
    instances,
    history,
    pace,
    proof,
    planned_proofs,
    copies,
    spread,
    storage,
    locks,
    binlogs,
    objective,
    machinery,
    success,
)
RULES: Mapping[str, AnyRule] = {rule.name: rule for family in _FAMILIES for rule in family.RULES}

__all__ = [
    "BACKUP_SUCCEEDED",
    "COPIES_NOT_SPREAD",
    "RULES",
    "RULE_BROKEN",
    "AnyRule",
    "Finding",
    "Limits",
    "Rule",
    "Threshold",
    "Unit",
]
