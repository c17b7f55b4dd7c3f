"""Configuration and history in the Django admin."""

from __future__ import annotations

from backups.admin import (
    activity,
    binlog,
    catalog,
    instance,
    job,
    objective,
    opening,
    repository,
    schedule,
)

__all__ = [
    "activity", "binlog", "catalog", "instance", "job", "objective", "opening", "repository",
    "schedule",
]  # fmt: skip
