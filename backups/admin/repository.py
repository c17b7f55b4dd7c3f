"""Repositories: admins configure them here; ``addrepository`` also makes their folder."""

from __future__ import annotations

from django.contrib import admin

from backups.admin.bases import ModelAdmin
from backups.models import Repository


@admin.register(Repository)
class RepositoryAdmin(ModelAdmin):
    list_display = ["name", "kind", "path", "encrypted", "enabled", "created_at"]
    list_filter = ["kind", "encrypted", "enabled"]
    search_fields = ["name", "path"]
    readonly_fields = ["uuid", "created_at"]
    fields = ["name", "kind", "path", "encrypted", "enabled", *readonly_fields]
