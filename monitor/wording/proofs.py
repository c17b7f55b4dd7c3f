"""What does a schedule of verifies or restore tests prove, in words?"""

from __future__ import annotations

from backups.models import BackupSchedule
from backups.states import Operation, ProofChoice
from backups.units import format_bytes


def proof_in_words(schedule: BackupSchedule) -> str:
    """Return what is proven and how; blank for a schedule of backups."""
    if not schedule.proves:
        return ""
    what = str(schedule.get_proof_target_display())
    if schedule.after_id is not None:
        what = "The backup of the run before"
    if schedule.operation == Operation.VERIFY:
        what = f"{what}, {'with' if schedule.check_pages else 'without'} pages"
    return f"{what}{_whom(schedule)}"


def _whom(schedule: BackupSchedule) -> str:
    if schedule.proof_choice == ProofChoice.ONCE:
        return ", each backup once"
    if schedule.proof_choice == ProofChoice.EACH:
        return ""
    budget = schedule.budget_bytes
    most = f", at most {format_bytes(budget)} each time" if budget is not None else ""
    days = schedule.proven_within_days
    return f", of each instance within {days} day{'' if days == 1 else 's'}{most}"
