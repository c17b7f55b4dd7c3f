"""Schedules are configured here or on their own page; their occurrences are history."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.timezone import now

from backups.admin.bases import ModelAdmin, ModelForm
from backups.admin.history import HistoryAdmin
from backups.admin.pace import rate_field
from backups.models import (
    BackupSchedule,
    InstanceProtection,
    ObservedHistory,
    Occurrence,
    TickHeartbeat,
    WorkerHeartbeat,
)
from backups.schedules.pauses import recheck_occurrences
from backups.schedules.save import save_schedule


class ScheduleAdminForm(ModelForm):
    """A schedule, with its rate as people write it."""

    pace_bytes_per_s = rate_field()


@admin.register(BackupSchedule)
class BackupScheduleAdmin(ModelAdmin):
    form = ScheduleAdminForm
    list_display = [
        "name", "origin", "kind", "cron", "every_hours", "after", "full_cron", "time_zone",
        "enabled",
    ]  # fmt: skip
    list_filter = ["enabled", "origin", "kind"]
    list_select_related = ["after"]
    search_fields = ["name", "cron", "instances__name", "groups__name", "tags__name"]
    filter_horizontal = ["instances", "groups", "tags", "repositories", "copy_to", "important_tags"]
    # Schedules are paused on their page or by a command, which require a reason.
    readonly_fields = [
        "next_due_at", "created_at", "paused_at", "paused_until", "paused_by", "paused_reason",
    ]  # fmt: skip

    # Any: Django passes the form and its formsets untyped.
    def save_model(
        self, request: HttpRequest, obj: BackupSchedule, form: Any, change: bool
    ) -> None:
        save_schedule(obj, now())

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Recheck its occurrences, now that coverage and repositories are saved."""
        super().save_related(request, form, formsets, change)
        recheck_occurrences(form.instance, now())


@admin.register(Occurrence)
class OccurrenceAdmin(HistoryAdmin):
    list_display = [
        "schedule",
        "instance",
        "kind",
        "due_at",
        "status",
        "reason",
        "late_at",
        "ended_at",
    ]
    list_filter = ["status", "kind", "reason", "due_at"]
    list_select_related = ["schedule", "instance"]
    search_fields = ["schedule__name", "instance__name", "detail"]
    autocomplete_fields = ["schedule", "instance", "job", "follows"]


@admin.register(ObservedHistory)
class ObservedHistoryAdmin(HistoryAdmin):
    list_display = ["instance", "verdict", "detail", "read_at", "next_read_at"]
    list_filter = ["verdict"]
    list_select_related = ["instance"]
    search_fields = ["instance__name", "detail"]
    autocomplete_fields = ["instance"]


@admin.register(TickHeartbeat)
class TickHeartbeatAdmin(HistoryAdmin):
    list_display = ["name", "started_at", "finished_at", "error"]
    search_fields = ["name", "error"]


@admin.register(WorkerHeartbeat)
class WorkerHeartbeatAdmin(HistoryAdmin):
    list_display = ["name", "queues", "started_at", "seen_at"]
    search_fields = ["name", "queues"]


@admin.register(InstanceProtection)
class InstanceProtectionAdmin(HistoryAdmin):
    list_display = ["instance", "level", "backup_at", "next_run_at", "judged_at"]
    list_filter = ["level"]
    list_select_related = ["instance"]
    search_fields = ["instance__name", "reasons"]
    autocomplete_fields = ["instance", "newest_backup", "last_job"]
