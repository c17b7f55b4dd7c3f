"""What remains restorable when a copy is deleted? The evidence that is kept with its deletion.

How many backups, by the rows; and of those that were found on their disks at that moment, the proof
and its age. Marked copies are no part of it: they are about to be deleted themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from backups.catalog.evidence import without_faults
from backups.catalog.survivors import Search
from backups.health.usable import lasting_copies, whole_copies
from backups.models import BackupCopy, Evidence
from backups.units import format_count

# Of the copies that were found whole, the newest few are named.
NAMED = 5


# Any: it is JSON.
def describe_remaining(copy: BackupCopy, search: Search, now: datetime) -> dict[str, Any]:
    """Return as JSON what remains of the copy's instance without it."""
    whole = without_faults(whole_copies(lasting_copies()))
    lasting = whole.filter(backup__instance=copy.backup.instance_id)
    found = sorted(search.found, key=lambda each: each.backup.ended_at, reverse=True)[:NAMED]
    proofs = _newest_proofs([each.pk for each in found])
    return {
        "at": now.isoformat(timespec="seconds"),
        "restorable": lasting.exclude(pk=copy.pk).values("backup").distinct().count(),
        "found": [
            {
                "label": each.backup.label,
                "repository": each.repository.name,
                "ended_at": each.backup.ended_at.isoformat(timespec="seconds"),
                "proof": proofs.get(each.pk, "not proven yet"),
            }
            for each in found
        ],
        "missing": search.in_words()[:1000],
    }


def remaining_in_words(stored: Mapping[str, Any]) -> str:
    """Return the evidence as a sentence; blank where there is none."""
    if not stored:
        return ""
    count = stored["restorable"]
    if not count and not stored["found"]:
        return "nothing restorable remains"
    found = "; ".join(
        f"{each['label']} in {each['repository']}, of {_moment(each['ended_at'])}, {each['proof']}"
        for each in stored["found"]
    )
    on_disk = f"found whole at {_moment(stored['at'])}: {found}" if found else ""
    counted = f"{format_count(count, 'restorable backup')} {'remains' if count == 1 else 'remain'}"
    return f"{counted}; {on_disk}" if on_disk else counted


def _newest_proofs(copies: list[int]) -> dict[int, str]:
    """Return by copy the newest proof of its bytes, in words."""
    rows = Evidence.objects.current().filter(copy__in=copies).order_by("id")
    return {
        row.copy_id: f"{row.get_operation_display().lower()} "
        f"{'passed' if row.passed else 'failed'} {row.created_at:%Y-%m-%d %H:%M}Z"
        for row in rows
    }


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}Z"
