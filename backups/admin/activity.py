"""Activity: read-only."""

from __future__ import annotations

from django.contrib import admin

from backups.admin.history import HistoryAdmin
from backups.models import Activity


@admin.register(Activity)
class ActivityAdmin(HistoryAdmin):
    list_display = ["at", "actor", "via", "address", "verb", "kind", "name", "instance_name"]
    list_filter = ["verb", "via", "at"]
    search_fields = ["actor", "name", "instance_name", "address"]
    date_hierarchy = "at"
