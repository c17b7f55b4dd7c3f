"""Which rows and columns does the document contain, and in which order?"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import models

from alerts.models import RuleSetting
from backups.models import BackupSchedule, Instance, InstanceGroup, RecoveryObjective
from backups.models.pace import PACE_COLUMNS
from backups.models.retention import RETENTION_COLUMNS


@dataclass(frozen=True, slots=True)
class Section:
    """One list of the document."""

    name: str
    model: type[models.Model]
    # Together they identify a row.
    key: tuple[str, ...]
    columns: tuple[str, ...]
    # Lists of names of other rows.
    lists: tuple[str, ...] = ()


# Later sections may name rows of earlier ones.
SECTIONS = (
    Section("groups", InstanceGroup, ("name",), ("description",)),
    Section(
        "instances",
        Instance,
        ("name",),
        (
            "host", "port", "socket", "user", "tls", "tls_ca_file", "tls_certificate_file",
            "tls_key_file", "site", "enabled", "engine", "allow_plugin_install",
            "save_foreign_tables", "lock_wait_seconds", "history_tool", "runner",
            "ssh_host", "ssh_port", "ssh_user", "ssh_identity_file", "ssh_known_hosts_file",
            *PACE_COLUMNS,
        ),
        ("groups", "tags"),
    ),
    Section(
        "schedules",
        BackupSchedule,
        ("name",),
        (
            "operation", "proof_target", "check_pages", "proof_choice", "proven_within_days",
            "budget_bytes", "origin", "kind",
            "cron", "time_zone", "every_hours", "anchor_at", "after",
            "after_run", "full_cron", "make_up_full", "covers_all", "window", "grace",
            "expected_duration", "at_window_end", "slow_bytes_per_s",
            "when_unfit", "retries", "retry_delay", "stagger", "catch_up",
            "max_jobs", *RETENTION_COLUMNS,
            "copy_opens_at", "copy_closes_at", "consolidate_after", *PACE_COLUMNS,
            "options", "enabled",
        ),
        ("instances", "groups", "tags", "repositories", "copy_to", "important_tags"),
    ),
    # Without a key it is that of all instances.
    Section("objectives", RecoveryObjective, ("group", "tag", "instance"), ("rpo", "rto")),
    Section(
        "rules",
        RuleSetting,
        ("rule", "group", "schedule", "instance"),
        ("enabled", "severity", "pending_for", "thresholds"),
    ),
)  # fmt: skip
