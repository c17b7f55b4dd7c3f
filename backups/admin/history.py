"""History is read-only."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from backups.admin.bases import ModelAdmin, TabularInline


class HistoryAdmin(ModelAdmin):
    """Lists and shows rows, without adding, changing or deleting."""

    show_full_result_count = False

    # Any: Django passes the row it asks about.
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class HistoryInline(TabularInline):
    """Rows that belong to another one, below it."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
