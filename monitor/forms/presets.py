"""With which values may a new schedule begin?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backups.states import AUTO, BackupKind, Operation

DAILY, SUNDAYS, NOON = "30 1 * * *", "30 1 * * 0", "0 12 * * *"


@dataclass(frozen=True, slots=True)
class Preset:
    """The columns that a common rhythm consists of."""

    name: str
    title: str
    columns: Mapping[str, str]


PRESETS = (
    Preset("daily-full", "Daily full", {"kind": BackupKind.FULL, "cron": DAILY}),
    Preset(
        "weekly-full-incremental",
        "Weekly full, daily incremental",
        {"kind": BackupKind.INCREMENTAL, "cron": DAILY, "full_cron": SUNDAYS},
    ),
    Preset(
        "weekly-full-differential",
        "Weekly full, daily differential",
        {"kind": BackupKind.DIFFERENTIAL, "cron": DAILY, "full_cron": SUNDAYS},
    ),
    Preset("automatic", "Daily, full when due", {"kind": AUTO, "cron": DAILY}),
    Preset(
        "incremental-for-ever",
        "Incremental for ever",
        # One less than a chain may have: the next backup is then based on the new full one.
        {"kind": BackupKind.INCREMENTAL, "cron": DAILY, "consolidate_after": "6"},
    ),
)


# A schedule that proves backups has a form of its own.
PROOF_PRESETS = (
    Preset("restore-test", "Restore test", {"operation": Operation.RESTORE_TEST, "cron": NOON}),
    Preset("verify", "Verify", {"operation": Operation.VERIFY, "cron": NOON}),
)


def preset_named(name: str) -> Preset:
    """Return a preset; without such a name the first one."""
    offered = (*PRESETS, *PROOF_PRESETS)
    return next((preset for preset in offered if preset.name == name), PRESETS[0])
