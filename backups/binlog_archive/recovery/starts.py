"""From which backup does a recovery begin? The newest that leads to its goal."""

from __future__ import annotations

from django.db.models import Q

from backups.binlog_archive.recovery.from_backup import Recovery, StartPoint, find_recovery
from backups.binlog_archive.recovery.goals import RecoveryGoal
from backups.catalog.evidence import without_faults
from backups.catalog.preferred import first_to_read
from backups.exceptions import Refused
from backups.health.usable import usable_copies, whole_copies
from backups.models import Backup, BackupCopy, Instance
from backups.states import CHOSEN_KINDS

# Of a goal long ago, newer backups are many and of no use.
_MOST_TRIED = 50


def start_point(backup: Backup) -> StartPoint | None:
    """Return a backup's coordinates; None: they are known once a copy of it was prepared."""
    if not backup.binlog_file or backup.binlog_position is None:
        return None
    return StartPoint(
        backup.label,
        backup.binlog_file,
        backup.binlog_position,
        backup.gtid_executed,
        backup.started_at,
        backup.ended_at,
    )


def recovery_of(backup: Backup, goal: RecoveryGoal) -> Recovery | None:
    """Find the transactions to replay onto a backup, or raise Refused; None: not known yet."""
    if backup.kind in CHOSEN_KINDS:
        raise Refused(
            f"{backup.label} has chosen tables only: binlogs cannot be replayed onto it",
            hint="Choose a full backup.",
        )
    start = start_point(backup)
    if start is not None:
        return find_recovery(backup.instance, start, goal)
    if goal.until is not None and goal.until < backup.ended_at:
        # It may be of a moment before its end; which one, only its coordinates say.
        raise Refused(
            f"{backup.label} ended at {backup.ended_at:%Y-%m-%d %H:%M:%S} UTC, after {goal}",
            hint="Choose an older backup.",
        )
    return None


def choose_copy(instance: Instance, goal: RecoveryGoal, repository: str | None) -> BackupCopy:
    """Return the copy of the newest backup that leads to the goal, or raise Refused."""
    copies = without_faults(whole_copies(usable_copies())).filter(backup__instance=instance)
    if repository is not None:
        copies = copies.filter(repository__name=repository)
    if goal.until is not None:
        copies = copies.filter(Q(backup__started_at__lte=goal.until))
    error: Refused | None = None
    ordered = copies.select_related("backup__instance", "repository").order_by(
        "-backup__ended_at", "pk"
    )
    for copy in ordered[:_MOST_TRIED]:
        try:
            recovery_of(copy.backup, goal)
        except Refused as exc:
            # The newest one's reason says most.
            error = error or exc
            continue
        return first_to_read(copy, ordered.filter(backup=copy.backup))
    raise error or Refused(
        f"{instance.name} has no restorable backup from before {goal}",
        hint="Run listbackups to see which backups there are.",
    )
