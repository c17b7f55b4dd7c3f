"""Does the store forbid to delete a copy now, and until when?

Pure. Asked before anything is tried: in a bucket that keeps versions a deletion seems to succeed,
while the locked version and its costs stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class StoreLock:
    """Why a copy stays whatever is decided, and when that ends."""

    reason: str
    until: datetime


def lock_of(locked_until: datetime | None, now: datetime) -> StoreLock | None:
    """Return the lock of a copy; None if nothing in the store keeps it."""
    if locked_until is None or now >= locked_until:
        return None
    return StoreLock(f"kept until {locked_until:%Y-%m-%d}: locked in the store", locked_until)
