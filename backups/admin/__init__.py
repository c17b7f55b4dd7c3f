"""Configuration and history in the Django admin."""

from __future__ import annotations

from backups.admin import activity, catalog, instance, job, repository, schedule

__all__ = ["activity", "catalog", "instance", "job", "repository", "schedule"]
