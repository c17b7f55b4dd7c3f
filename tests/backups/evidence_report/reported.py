"""A month of an instance with something of everything, and its report."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from backups.models import (
    Activity,
    BackupCopy,
    EvidenceChain,
    Instance,
    InstanceGroup,
    Occurrence,
)
from tests.backups.evidence_chain.chained import add_drill, add_evidence
from tests.backups.planning import make_schedule
from tests.commands import Ended, run_command
from tests.monitor.rows import T0, make_backup, make_instance, make_repository

DAY = timedelta(days=1)
# What a page or a spreadsheet must not take for something else.
HOSTILE = "=cmd()<script>alert(1)</script>"


def make_month() -> BackupCopy:
    """Create orders-1 of group shop, with links of February, March and April 2026."""
    orders = make_instance("orders-1")
    Instance.objects.update(created_at=T0 - 40 * DAY)
    orders.groups.add(InstanceGroup.objects.create(name="shop"))
    nightly = make_schedule(name="nightly", covers_all=True, keep_for=30 * DAY)
    copy = make_backup(orders, make_repository(), age=-DAY)
    add_evidence(copy, created_at=T0 - 5 * DAY)
    add_evidence(copy, created_at=T0 + DAY, recovery_time=timedelta(seconds=41))
    add_drill(copy)
    add_evidence(copy, created_at=T0 + 2 * DAY, passed=False, report={"error": HOSTILE})
    add_evidence(copy, created_at=T0 + 40 * DAY)
    for day, status in enumerate(("succeeded", "missed")):
        at = T0 + day * DAY
        Occurrence.objects.create(
            schedule=nightly, instance=orders, due_at=at, starts_at=at, late_after=at,
            missed_after=at, status=status, reason="no_worker" if status == "missed" else "",
        )  # fmt: skip
    Activity.objects.create(at=T0, actor=HOSTILE, via="site", verb="changed", name="nightly")
    Activity.objects.create(at=T0, actor="vera", via="site", verb="changed", instance_name="other")
    return copy


def export(folder: Path, *words: str) -> Ended:
    return run_command("exportevidence", "--month", "2026-03", "--to", str(folder), *words)


def heads() -> list[str]:
    return list(EvidenceChain.objects.values_list("head", flat=True))
