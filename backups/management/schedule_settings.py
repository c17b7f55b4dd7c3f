"""Which settings does a schedule have? Every column of its form: for people, and for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import models

from backups.models import BackupSchedule
from backups.models.schedule import AtWindowEnd
from backups.schedules.copies import window_of
from backups.states import ProofChoice
from backups.table_names.choice import choice_in_words
from backups.units import format_duration

_LISTS = tuple(field.name for field in BackupSchedule._meta.many_to_many)
# A pause is a state of it.
_COLUMNS = tuple(
    field.name
    for field in BackupSchedule._meta.fields
    if field.editable and not field.primary_key and not field.name.startswith("paused_")
)
# What the first lines of the command have said.
_SHOWN_BEFORE = (
    "name",
    "operation",
    "kind",
    "enabled",
    "cron",
    "time_zone",
    "full_cron",
    "window",
    "grace",
)


def settings_fields(schedule: BackupSchedule) -> dict[str, object]:
    """Return every setting by the name of its column."""
    columns: dict[str, object] = {name: _plain(getattr(schedule, name)) for name in _COLUMNS}
    patterns = {name: schedule.options.get(name) or [] for name in ("include", "exclude")}
    columns["incremental"] = schedule.stores_increments
    return columns | patterns | {name: _names(schedule, name) for name in _LISTS}


def settings_rows(schedule: BackupSchedule) -> list[tuple[str, str]]:
    """Return the settings that differ from the defaults, and those that one looks for."""
    copied = ", ".join(_names(schedule, "copy_to"))
    rows = [
        ("repositories", ", ".join(_names(schedule, "repositories")) or "the only enabled one"),
        ("copied to", f"{copied}, {window_of(schedule)}" if copied else "no other repository"),
    ]
    for name in ("groups", "tags"):
        if names := _names(schedule, name):
            rows.append((name, ", ".join(names)))
    if chosen := choice_in_words(schedule.options):
        rows.append(("tables", chosen))
        rows.append(("increments", "yes" if schedule.stores_increments else "no"))
    shown = {*_SHOWN_BEFORE, "copy_opens_at", "copy_closes_at"}
    rows += [
        (str(field.verbose_name), _written(getattr(schedule, field.name)))
        for field in _fields()
        if field.name not in shown and _differs(schedule, field)
    ]
    return rows


def _fields() -> Sequence[models.Field[Any, Any]]:
    found = (BackupSchedule._meta.get_field(name) for name in _COLUMNS)
    return [field for field in found if isinstance(field, models.Field)]


def _differs(schedule: BackupSchedule, field: models.Field[Any, Any]) -> bool:
    if field.name == "anchor_at":
        return schedule.every_hours is not None
    if field.name == "proven_within_days":
        return schedule.proof_choice == ProofChoice.SAMPLED
    if field.name == "after_run":
        return schedule.after is not None
    if field.name == "slow_bytes_per_s":
        return schedule.at_window_end == AtWindowEnd.SLOW
    return bool(getattr(schedule, field.name) != field.get_default())


def _names(schedule: BackupSchedule, name: str) -> list[str]:
    return sorted(getattr(schedule, name).values_list("name", flat=True))


def _plain(value: object) -> object:
    """Return another row as its name."""
    return str(value) if isinstance(value, models.Model) else value


def _written(value: object) -> str:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
