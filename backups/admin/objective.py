"""Recovery objectives and what was judged of them: set on pages, only looked at here."""

from __future__ import annotations

from django.contrib import admin

from backups.admin.history import HistoryAdmin
from backups.models import ObjectiveDay, ObjectiveStanding, RecoveryObjective


@admin.register(RecoveryObjective)
class RecoveryObjectiveAdmin(HistoryAdmin):
    list_display = ["scope", "rpo", "rto"]
    list_select_related = ["instance", "group", "tag"]
    search_fields = ["instance__name", "group__name", "tag__name"]
    autocomplete_fields = ["instance", "group", "tag"]


@admin.register(ObjectiveStanding)
class ObjectiveStandingAdmin(HistoryAdmin):
    list_display = ["instance", "level", "rpo_level", "rto_level", "proven_at", "judged_at"]
    list_filter = ["level"]
    list_select_related = ["instance"]
    search_fields = ["instance__name", "reasons"]
    autocomplete_fields = ["instance"]


@admin.register(ObjectiveDay)
class ObjectiveDayAdmin(HistoryAdmin):
    list_display = ["instance", "day"]
    list_select_related = ["instance"]
    search_fields = ["instance__name"]
    autocomplete_fields = ["instance"]
