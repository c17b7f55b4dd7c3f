"""Who may write the status of an approval? Only this module, by compare-and-swap."""

from __future__ import annotations

from datetime import datetime

from backups.exceptions import IllegalTransition
from backups.models import Approval
from backups.states import APPROVAL_MOVES, ApprovalStatus


def decide_approval(approval: Approval, to: ApprovalStatus, *, who: str, now: datetime) -> bool:
    """Record a decision; False if another one was made before, or the request has expired."""
    old = ApprovalStatus(approval.status)
    if to not in APPROVAL_MOVES[old]:
        raise IllegalTransition(f"{approval}: {old} to {to}")
    same = Approval.objects.filter(pk=approval.pk, status=old, expires_at__gt=now)
    won = same.update(status=to, decided_by=who, decided_at=now)
    approval.refresh_from_db()
    return bool(won)
