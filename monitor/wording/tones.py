"""Which statuses are good, bad, or neutral? One table for every badge.

The word is always on the page; the tone adds shape and colour. A status that is not listed is
neutral.
"""

from __future__ import annotations

_STATUSES_BY_TONE = {
    "ok": (
        "succeeded done backed_up passed stored protected encrypted on_time resolved delivered "
        "enabled healthy supported met"
    ),
    "bad": "failed attention lost missed unprotected firing critical emergency broken",
    "warn": (
        "marked deleting missing unencrypted refused late problems with_problems delayed at_risk "
        "warning stale retrying degraded unsupported"
    ),
    "busy": "running sending due notice",
    "waiting": "pending planned waiting queued",
    "unknown": "unproven unknown observed unplanned",
    "idle": "cancelled skipped disabled paused expired purged silenced acknowledged pinned held "
    "deleted kept withdrawn",
}
TONES: dict[str, str] = {
    status: tone for tone, statuses in _STATUSES_BY_TONE.items() for status in statuses.split()
}


def tone_of(status: str) -> str:
    return TONES.get(status, "idle")
