"""Alerts and their history, read-only; alerts are acknowledged on the site's own page."""

from __future__ import annotations

from django.contrib import admin

from alerts.models import Alert, AlertTransition, EvaluationCursor
from backups.admin.history import HistoryAdmin, HistoryInline


class AlertTransitionInline(HistoryInline):
    model = AlertTransition
    fields = ["created_at", "old_status", "new_status", "severity", "actor", "reason", "routed_at"]


@admin.register(Alert)
class AlertAdmin(HistoryAdmin):
    list_display = ["rule", "subject_name", "severity", "status", "message", "opened_at"]
    list_filter = ["status", "severity", "rule", "opened_at"]
    search_fields = ["rule", "subject", "subject_name", "message"]
    autocomplete_fields = ["instance", "schedule", "repository", "job"]
    inlines = [AlertTransitionInline]


@admin.register(AlertTransition)
class AlertTransitionAdmin(HistoryAdmin):
    list_display = ["alert", "old_status", "new_status", "severity", "actor", "created_at"]
    list_filter = ["new_status", "severity", "created_at"]
    list_select_related = ["alert"]
    search_fields = ["alert__subject_name", "alert__rule", "actor", "reason"]
    autocomplete_fields = ["alert"]


@admin.register(EvaluationCursor)
class EvaluationCursorAdmin(HistoryAdmin):
    list_display = ["name", "position", "moved_at"]
    search_fields = ["name"]
