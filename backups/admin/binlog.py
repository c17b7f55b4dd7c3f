"""The binlog archive in the admin: what was asked may be edited, what happened may be read."""

from __future__ import annotations

from django.contrib import admin

from backups.admin.bases import ModelAdmin
from backups.admin.history import HistoryAdmin
from backups.models import (
    BinlogArchive,
    BinlogGap,
    BinlogSegment,
    BinlogTimeline,
    RecoverableRange,
    SegmentCopy,
)


@admin.register(BinlogArchive)
class BinlogArchiveAdmin(ModelAdmin):
    """Which instances have an archive, and where it is stored."""

    list_display = ["instance", "enabled", "acknowledge", "state", "last_commit_at"]
    search_fields = ["instance__name"]
    fields = ["instance", "enabled", "repositories", "acknowledge", "server_id"]


@admin.register(BinlogTimeline)
class BinlogTimelineAdmin(HistoryAdmin):
    """Unbroken histories."""

    list_display = ["instance", "start", "server_identity", "began_at", "ended_at"]
    search_fields = ["instance__name"]


@admin.register(BinlogSegment)
class BinlogSegmentAdmin(HistoryAdmin):
    """Stored pieces of binlogs."""

    list_display = ["timeline", "file", "start", "end", "last_commit_at"]
    search_fields = ["file"]


@admin.register(SegmentCopy)
class SegmentCopyAdmin(HistoryAdmin):
    """Where the pieces are stored."""

    list_display = ["segment", "repository", "stored_bytes", "fault"]
    search_fields = ["path"]


@admin.register(BinlogGap)
class BinlogGapAdmin(HistoryAdmin):
    """What is missing."""

    list_display = ["instance", "reason", "after_commit_at", "before_commit_at", "noticed_at"]
    search_fields = ["instance__name"]


@admin.register(RecoverableRange)
class RecoverableRangeAdmin(HistoryAdmin):
    """From when to when instances are recoverable."""

    list_display = ["instance", "from_at", "to_at", "open", "ends_because"]
    search_fields = ["instance__name"]
