"""What does a schedule of verifies or restore tests prove, in words?"""

from __future__ import annotations

from backups.models import BackupSchedule
from backups.states import Operation


def proof_in_words(schedule: BackupSchedule) -> str:
    """Return what is proven and how; blank for a schedule of backups."""
    if not schedule.proves:
        return ""
    what = str(schedule.get_proof_target_display())
    if schedule.after_id is not None:
        what = "The backup of the run before"
    if schedule.operation == Operation.VERIFY:
        return f"{what}, {'with' if schedule.check_pages else 'without'} pages"
    return what
