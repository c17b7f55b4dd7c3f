"""Backups, their copies and their evidence: history."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from backups.admin.history import HistoryAdmin, HistoryInline
from backups.models import (
    Approval,
    Backup,
    BackupAncestor,
    BackupCopy,
    BackupTables,
    Deletion,
    Drill,
    Evidence,
    EvidenceChain,
    EvidenceLink,
    Rehearsal,
    SigningKey,
    WantedCopy,
)


class CopyInline(HistoryInline):
    model = BackupCopy
    fields = ["repository", "status", "stored_bytes", "pack_count", "key_id"]


@admin.register(Backup)
class BackupAdmin(HistoryAdmin):
    list_display = ["label", "instance", "kind", "ended_at", "raw_bytes", "stored_bytes", "pinned"]
    list_filter = ["kind", "origin", "engine", "pinned", "ended_at"]
    list_select_related = ["instance"]
    search_fields = ["label", "instance__name", "gtid_executed"]
    autocomplete_fields = ["instance", "base", "made_by"]
    date_hierarchy = "ended_at"
    inlines = [CopyInline]
    # A pin is a person's decision, not history.
    editable = ["pinned", "pinned_reason"]

    # Any: the row is the model's, or None for the list.
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Everyone who may use the admin may pin.
        return self.has_view_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        columns = [field.name for field in Backup._meta.concrete_fields]
        return [name for name in columns if name not in self.editable]


@admin.register(BackupCopy)
class BackupCopyAdmin(HistoryAdmin):
    list_display = ["backup", "repository", "status", "status_since", "stored_bytes", "key_id"]
    list_filter = ["status", "repository"]
    list_select_related = ["backup", "repository"]
    search_fields = ["backup__label", "repository__name", "key_id"]
    autocomplete_fields = ["backup", "repository"]


@admin.register(Deletion)
class DeletionAdmin(HistoryAdmin):
    list_display = ["id", "copy", "status", "requested_by", "due_at", "status_since"]
    list_filter = ["status", "retention", "copy__repository"]
    list_select_related = ["copy__backup", "copy__repository"]
    search_fields = ["copy__backup__label", "copy__repository__name", "reason"]
    autocomplete_fields = ["copy"]


@admin.register(Approval)
class ApprovalAdmin(HistoryAdmin):
    list_display = ["id", "kind", "repository", "copy", "status", "requested_by", "decided_by"]
    list_filter = ["kind", "status", "repository"]
    list_select_related = ["repository", "copy__backup", "copy__repository"]
    search_fields = ["requested_by", "decided_by", "repository__name"]
    autocomplete_fields = ["repository", "copy"]


@admin.register(Evidence)
class EvidenceAdmin(HistoryAdmin):
    list_display = ["id", "copy", "operation", "passed", "created_at", "recovery_time"]
    list_filter = ["operation", "passed", "created_at"]
    list_select_related = ["copy__backup", "copy__repository"]
    search_fields = ["copy__backup__label", "copy__repository__name"]
    autocomplete_fields = ["copy", "job"]


@admin.register(Drill)
class DrillAdmin(HistoryAdmin):
    list_display = ["id", "instance", "point", "moment", "passed", "created_at", "recovery_time"]
    list_filter = ["point", "passed", "created_at"]
    list_select_related = ["instance"]
    search_fields = ["instance__name", "copy__backup__label"]
    autocomplete_fields = ["instance", "copy", "job"]


@admin.register(Rehearsal)
class RehearsalAdmin(HistoryAdmin):
    list_display = ["id", "instance", "upgraded_to", "passed", "created_at", "took"]
    list_filter = ["passed", "created_at"]
    list_select_related = ["instance"]
    search_fields = ["instance__name", "copy__backup__label", "upgraded_to"]
    autocomplete_fields = ["instance", "copy", "job"]


@admin.register(EvidenceChain)
class EvidenceChainAdmin(HistoryAdmin):
    list_display = ["id", "instance", "length", "head", "verified_at", "fault"]
    list_select_related = ["instance"]
    search_fields = ["instance__name", "head"]
    autocomplete_fields = ["instance"]


@admin.register(EvidenceLink)
class EvidenceLinkAdmin(HistoryAdmin):
    list_display = ["id", "instance", "number", "digest", "previous"]
    list_select_related = ["instance"]
    search_fields = ["instance__name", "digest"]
    autocomplete_fields = ["instance", "evidence", "drill", "rehearsal"]


@admin.register(BackupAncestor)
class BackupAncestorAdmin(HistoryAdmin):
    list_display = ["id", "backup", "position", "ancestor"]
    list_select_related = ["backup", "ancestor"]
    search_fields = ["backup__label", "ancestor__label"]
    autocomplete_fields = ["backup", "ancestor"]


@admin.register(BackupTables)
class BackupTablesAdmin(HistoryAdmin):
    list_display = ["id", "backup"]
    list_select_related = ["backup"]
    search_fields = ["backup__label"]
    autocomplete_fields = ["backup"]


@admin.register(WantedCopy)
class WantedCopyAdmin(HistoryAdmin):
    list_display = ["backup", "repository", "cause", "wanted_at", "failed_at", "dropped_at"]
    list_filter = ["cause", "repository"]
    list_select_related = ["backup", "repository"]
    search_fields = ["backup__label", "repository__name", "error"]
    autocomplete_fields = ["backup", "repository", "job"]


@admin.register(SigningKey)
class SigningKeyAdmin(HistoryAdmin):
    list_display = ["key_id", "public_key", "created_at"]
    search_fields = ["key_id"]
    exclude = ["private_key_token"]
