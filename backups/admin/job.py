"""Jobs, their stages, events and lines: history."""

from __future__ import annotations

from django.contrib import admin

from backups.admin.history import HistoryAdmin, HistoryInline
from backups.models import (
    HookRun,
    Job,
    JobEvent,
    JobLogLine,
    JobSample,
    JobStage,
    KeptRestore,
    LimitPlace,
)


class StageInline(HistoryInline):
    model = JobStage
    fields = ["position", "name", "status", "started_at", "ended_at", "bytes_done", "lock_time"]


class EventInline(HistoryInline):
    model = JobEvent
    fields = ["created_at", "old_status", "new_status", "actor", "reason"]


class HookRunInline(HistoryInline):
    model = HookRun
    fields = ["position", "when", "name", "host", "started_at", "ended_at", "exit_code", "problem"]


@admin.register(Job)
class JobAdmin(HistoryAdmin):
    list_display = ["id", "operation", "instance", "kind", "status", "requested_at", "ended_at"]
    list_filter = ["status", "operation", "kind", "engine", "requested_at"]
    list_select_related = ["instance"]
    search_fields = ["=id", "instance__name", "label", "error"]
    autocomplete_fields = ["instance", "backup"]
    date_hierarchy = "requested_at"
    inlines = [StageInline, HookRunInline, EventInline]


@admin.register(JobStage)
class JobStageAdmin(HistoryAdmin):
    list_display = ["job_id", "position", "name", "status", "started_at", "ended_at", "lock_time"]
    list_filter = ["status", "name"]
    search_fields = ["=job__id", "name", "detail"]
    autocomplete_fields = ["job"]


@admin.register(HookRun)
class HookRunAdmin(HistoryAdmin):
    list_display = ["job_id", "when", "name", "host", "started_at", "ended_at", "exit_code"]
    list_filter = ["when", "open"]
    search_fields = ["=job__id", "name", "problem"]
    autocomplete_fields = ["job"]


@admin.register(JobEvent)
class JobEventAdmin(HistoryAdmin):
    list_display = ["job_id", "created_at", "old_status", "new_status", "actor", "reason"]
    list_filter = ["new_status", "created_at"]
    search_fields = ["=job__id", "actor", "reason"]
    autocomplete_fields = ["job"]


@admin.register(JobLogLine)
class JobLogLineAdmin(HistoryAdmin):
    list_display = ["job_id", "logged_at", "level", "source", "text"]
    list_filter = ["level", "source"]
    search_fields = ["=job__id", "text"]
    autocomplete_fields = ["job"]


@admin.register(KeptRestore)
class KeptRestoreAdmin(HistoryAdmin):
    list_display = ["job_id", "host", "target", "created_at", "in_order", "bytes"]
    search_fields = ["=job__id", "target"]


@admin.register(LimitPlace)
class LimitPlaceAdmin(HistoryAdmin):
    list_display = ["resource", "number", "job_id"]
    list_filter = ["resource"]
    search_fields = ["resource", "=job__id"]
    autocomplete_fields = ["job"]


@admin.register(JobSample)
class JobSampleAdmin(HistoryAdmin):
    list_display = ["job_id", "sampled_at", "stage", "bytes_done", "rate_bytes_per_s"]
    search_fields = ["=job__id", "stage"]
    autocomplete_fields = ["job"]
