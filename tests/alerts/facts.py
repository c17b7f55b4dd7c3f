"""Facts the rules are asked about in tables: everything is well, but for what a case says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from alerts.facts.binlog import BinlogFacts
from alerts.facts.chain import ChainFacts
from alerts.facts.instance import BackupFacts, CopiesFacts, InstanceFacts, PastBackup
from alerts.facts.objective import StandingFacts
from alerts.facts.run import (
    ActiveJobFacts,
    BrokenEvidenceFacts,
    DrillFacts,
    EvidenceFacts,
    FailureFacts,
    LateFacts,
    MissedFacts,
    MissingCopyFacts,
    SuccessFacts,
    UnfitFacts,
    UnprovenFacts,
)
from alerts.facts.site import (
    CopyFaultFacts,
    KeyFacts,
    PeriodicTaskFacts,
    QueueFacts,
    RepositoryFacts,
)
from alerts.facts.subject import Facts, Subject
from alerts.rules import RULES, Finding, Limits
from backups.health.spread import judge_spread
from tests.backups.health.test_spread import GOOD

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
GIB = 2**30
S, M, H, D = (timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))
ORDERS = Subject("instance:1", "orders-1", instance_id=1)

# What is well of each sort of facts. Any: each takes fields of its own.
WELL: dict[type[Facts], dict[str, Any]] = {
    InstanceFacts: {
        "created_at": NOW - 30 * D,
        "flavour": "mariadb",
        "engine": "mariadb_backup",
        "version": "10.11.14-MariaDB",
        "scheduled_kinds": frozenset({"full"}),
        "last_success": {"full": NOW - H},
    },
    BackupFacts: {
        "kind": "full",
        "backup": PastBackup(7, "orders-1@7-F", NOW - H, NOW - 50 * M, 100 * GIB, 1 * S, 3),
        "wanted_copies": 1,
        "stored_copies": 1,
    },
    CopiesFacts: {"answers": judge_spread(GOOD)},
    ChainFacts: {
        "label": "orders-1@7-I",
        "links": 6,
        "most_links": 7,
        "plans_fulls": True,
        "plans_links": True,
    },
    MissingCopyFacts: {
        "repository": "offsite",
        "count": 2,
        "since": NOW - H,
        "label": "orders-1@7-F",
    },
    FailureFacts: {
        "job_id": 3,
        "operation": "backup",
        "kind": "full",
        "status": "succeeded",
        "ended_at": NOW - H,
    },
    ActiveJobFacts: {"operation": "backup", "kind": "full", "started_at": NOW - H},
    LateFacts: {"due_at": NOW, "late_after": NOW + 15 * M, "missed_after": NOW + 4 * H},
    UnfitFacts: {
        "schedule": "nightly",
        "due_at": NOW,
        "reason": "expected 5 h 10 min, window 4 h, from the last 9 runs",
    },
    UnprovenFacts: {
        "occurrence_id": 4,
        "operation": "restore_test",
        "due_at": NOW - H,
        "since": NOW - 8 * D,
        "missed": False,
        "detail": "not drilled, because no room",
    },
    MissedFacts: {
        "occurrence_id": 9,
        "kind": "full",
        "due_at": NOW - 5 * H,
        "missed_after": NOW - H,
    },
    EvidenceFacts: {
        "evidence_id": 4,
        "operation": "",
        "label": "orders-1@7-F",
        "repository": "main",
        "tested_at": NOW - H,
    },
    DrillFacts: {
        "drill_id": 5,
        "label": "orders-1@7-F",
        "moment": NOW - D,
        "failed_stage": "replay",
        "error": "no such table",
        "drilled_at": NOW - H,
    },
    BrokenEvidenceFacts: {
        "fault": "link 3: the restore test 7 of orders-1@7-F was changed after it was recorded",
        "since": NOW - H,
    },
    RepositoryFacts: {
        "encrypted": True,
        "measured_at": NOW,
        "free_bytes": 50 * GIB,
        "total_bytes": 100 * GIB,
    },
    KeyFacts: {"key_id": "k1", "copies": 1, "label": "orders-1@7-F", "fault": "no such key"},
    CopyFaultFacts: {
        "fault": "missing",
        "copies": 1,
        "label": "orders-1@7-F",
        "detail": "its manifest is not in the repository",
    },
    QueueFacts: {"workers": 1},
    PeriodicTaskFacts: {"every": 10 * S, "started_at": NOW, "finished_at": NOW},
    StandingFacts: {
        "rpo": H,
        "rto": H,
        "rpo_level": "met",
        "rto_level": "met",
        "recovery": "30 min 00 s to 40 min 00 s, from 5 restores of this instance",
    },
    BinlogFacts: {"spool_free_bytes": 50 * GIB, "spool_total_bytes": 100 * GIB},
    SuccessFacts: {"kind": "full", "ended_at": NOW, "run_time": 3 * M},
}


def facts_of(sort: type[Facts], **fields: Any) -> Facts:
    """Return facts in which all is well, but for ``fields``."""
    return sort(**{"now": NOW, "subject": ORDERS, **WELL[sort], **fields})


def ask_rule(
    name: str, *, limits: dict[str, float | None] | None = None, **fields: Any
) -> Finding | None:
    """Query one rule, with its default thresholds but for ``limits``."""
    rule = RULES[name]
    values = {**rule.defaults(), **(limits or {})}
    found: Finding | None = rule.check(facts_of(rule.about, **fields), Limits(values, rule.units()))
    return found


def broken(facts: Facts, limits: Limits) -> Finding | None:
    """Answer as a rule with a fault does."""
    raise ZeroDivisionError("division by zero")
