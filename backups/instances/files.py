"""Who confirmed that the tool reads the files of the server that is connected to?"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from backups.activity import current_actor, record
from backups.exceptions import Refused
from backups.models import Instance
from backups.models.activity import Verb


@transaction.atomic
def confirm_files(instance: Instance, now: datetime, *, seen: str = "") -> str:
    """Store the confirmation of what the last preflight could not prove, and return that.

    With ``seen``, refused if it is not what the person was shown.
    """
    row = Instance.objects.select_for_update().get(pk=instance.pk)
    if not row.files_await_confirmation:
        raise Refused(
            f"there is nothing to confirm for {row}: the last check proved it, or it is confirmed",
            hint=f"Run doctor {row} to check again.",
        )
    if seen not in ("", row.files_unproven):
        raise Refused(
            f"the last check of {row} found {row.files_unproven}, not {seen}",
            hint="Check it again before you confirm it.",
        )
    row.files_confirmed, row.files_confirmed_at = row.files_unproven, now
    row.files_confirmed_by = current_actor().name[:150]
    row.save(update_fields=["files_confirmed", "files_confirmed_by", "files_confirmed_at"])
    record(Verb.CONFIRMED, row, details={"files": row.files_confirmed})
    return row.files_confirmed
