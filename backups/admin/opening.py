"""Openings of tables and compared rows in the admin: read-only."""

from __future__ import annotations

from django.contrib import admin

from backups.admin.history import HistoryAdmin
from backups.models import RowComparison, TableOpening


@admin.register(TableOpening)
class TableOpeningAdmin(HistoryAdmin):
    list_display = ("schema", "name", "copy", "requested_by", "requested_at", "closed_at")
    list_select_related = ("copy__backup", "copy__repository")
    search_fields = ("schema", "name", "requested_by")


@admin.register(RowComparison)
class RowComparisonAdmin(HistoryAdmin):
    list_display = ("schema", "name", "before", "after", "different", "complete", "compared_at")
    list_select_related = ("before", "after")
    search_fields = ("schema", "name", "before__label", "after__label")
