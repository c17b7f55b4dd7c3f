"""Configuration and history in the Django admin."""

from __future__ import annotations

from backups.admin import catalog, instance, job, repository, schedule

__all__ = ["catalog", "instance", "job", "repository", "schedule"]
