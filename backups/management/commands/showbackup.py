"""Shows the facts, copies and tables of a backup."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now
from rich.table import Table

from backups.catalog.changes import ContentChanges, compare
from backups.catalog.contents import (
    BackupContents,
    earlier_backup,
    load_contents,
    stored_contents,
)
from backups.catalog.copies import named_copy
from backups.catalog.evidence import load_proofs
from backups.catalog.rehearsals import rehearsals_of
from backups.catalog.restorable import SOUND, load_conditions, proof_in_words
from backups.management.output import Answer, MooringCommand, table
from backups.management.retention_words import judge_backups, retention_words
from backups.models import Backup, BackupCopy, JobUsage
from backups.table_names.choice import choice_in_words
from backups.units import format_bytes, format_duration

_REHEARSALS = 5


class Command(MooringCommand):
    help = "Show a backup: facts, copies, its tables with their sizes, and what changed."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("label")
        parser.add_argument(
            "--repository", help="Read the manifest of the copy in this repository."
        )

    def answer(self, options: dict[str, Any]) -> Answer:
        copy = named_copy(options["label"], options["repository"])
        contents = load_contents(copy)
        facts, changes = _facts(copy.backup, copy), _changes_of(copy.backup, contents)
        tables = [
            (stored.schema, stored.name, str(stored.files), format_bytes(stored.bytes))
            for stored in contents.tables
        ]
        return Answer(
            {**facts, **_contents_fields(contents), **_changes_fields(changes)},
            [
                table(("", ""), [(name, _written(fact)) for name, fact in facts.items()]),
                "",
                table(("schema", "table", "files", "size"), tables, right="files,size"),
                f"{len(contents.definitions)} definitions without files of their own "
                "(views, or tables in ibdata1)",
                f"{contents.other_files} other files, {format_bytes(contents.other_bytes)}",
                *_changes_written(changes),
            ],
        )


def _facts(backup: Backup, copy: BackupCopy) -> dict[str, object]:
    return {
        "label": backup.label,
        "instance": backup.instance.name,
        "kind": backup.kind,
        **({"chosen_tables": chosen} if (chosen := choice_in_words(backup.choice)) else {}),
        "needs": [
            ancestor.ancestor.label for ancestor in backup.ancestors.select_related("ancestor")
        ],
        **({"consolidated_from": backup.consolidated_from} if backup.consolidated_from else {}),
        "engine": backup.engine,
        "server_version": backup.server_version,
        "tool_version": backup.tool_version,
        "started_at": backup.started_at,
        "ended_at": backup.ended_at,
        "lock_time": backup.lock_time,
        "from_lsn": backup.from_lsn,
        "to_lsn": backup.to_lsn,
        "binlog_file": backup.binlog_file,
        "binlog_position": backup.binlog_position,
        "gtid_executed": backup.gtid_executed,
        "raw_bytes": backup.raw_bytes,
        "stored_bytes": backup.stored_bytes,
        "files": backup.file_count,
        "repository": copy.repository.name,
        "folder": copy.path,
        **_missing_copies(backup),
        **_requests(backup),
        "key_id": copy.key_id or "not encrypted",
        "proof": proof_in_words(
            load_proofs([backup])[backup.pk],
            load_conditions([backup.pk]).get(backup.pk, SOUND),
        ),
        **_rehearsals(backup),
        "retention": retention_words(judge_backups([backup], now()).get(backup.pk, [])),
        **({"expired": copy.expire_reason} if copy.expire_reason else {}),
    }


def _requests(backup: Backup) -> dict[str, object]:
    """Say what was asked of each repository to store it; nothing where that was not counted."""
    counted = JobUsage.objects.filter(job=backup.made_by_id).select_related("repository")
    words = [
        f"{usage.repository.name}: {usage.in_words}, {format_bytes(usage.sent_bytes)} sent"
        for usage in counted
    ]
    return {"requests": words} if words else {}


def _rehearsals(backup: Backup) -> dict[str, object]:
    """Say which upgrades were rehearsed on it; nothing where none was."""
    words = [f"{each}, {each.created_at:%Y-%m-%d}" for each in rehearsals_of(backup)[:_REHEARSALS]]
    return {"rehearsals": words} if words else {}


def _missing_copies(backup: Backup) -> dict[str, object]:
    """Name the copies that are wanted and not there, with the reason; nothing without any."""
    wanted = backup.wanted_copies.select_related("repository").filter(dropped_at=None)
    missing = [row.in_words for row in wanted]
    return {"missing_copies": missing} if missing else {}


# The label of the backup it is compared with, and what has changed since; None where none is.
Compared = tuple[str, ContentChanges] | None


def _changes_of(backup: Backup, contents: BackupContents) -> Compared:
    since = earlier_backup(backup)
    before = stored_contents(since) if since is not None else None
    return None if since is None or before is None else (since.label, compare(before, contents))


def _changes_fields(compared: Compared) -> dict[str, object]:
    """Return the largest changes and their sums, bounded whatever the number of tables."""
    return {
        "changed_since": compared and compared[0],
        "changes": compared and asdict(compared[1]),
    }


def _changes_written(compared: Compared) -> list[str | Table]:
    if compared is None:
        return []
    since, changes = compared
    rows = [
        (
            change.how,
            change.full_name,
            "" if change.blocks is None else f"{change.blocks:,}",
            "" if change.stored_bytes is None else format_bytes(change.stored_bytes),
            format_bytes(change.bytes_before if change.bytes is None else change.bytes),
        )
        for change in (*changes.tables, *changes.dropped)
    ]
    counted = (
        f"{changes.changed_count} tables changed, {changes.new_count} new, "
        f"{changes.renamed_count} renamed, {changes.dropped_count} dropped since {since}"
    )
    headings = ("how", "table", "blocks", "changed", "size")
    return ["", counted, table(headings, rows, right="blocks,changed,size")] if rows else [counted]


def _contents_fields(contents: BackupContents) -> dict[str, object]:
    return {
        "tables": [content._asdict() for content in contents.tables],
        "definitions": [definition._asdict() for definition in contents.definitions],
        "other_files": contents.other_files,
        "other_bytes": contents.other_bytes,
    }


def _written(fact: object) -> str:
    if isinstance(fact, list):
        return ", ".join(fact) or "no other backup"
    if isinstance(fact, timedelta):
        return format_duration(fact)
    return "unknown" if fact in (None, "") else str(fact)
