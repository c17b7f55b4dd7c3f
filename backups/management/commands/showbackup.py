"""Shows the facts, copies and tables of a backup."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now

from backups.catalog.contents import BackupContents, load_contents
from backups.catalog.copies import named_copy
from backups.catalog.evidence import load_proofs
from backups.management.output import Answer, MooringCommand, table
from backups.management.retention_words import judge_backups, retention_words
from backups.models import Backup, BackupCopy
from backups.units import format_bytes, format_duration


class Command(MooringCommand):
    help = "Show a backup: facts, copies, and its tables with their sizes."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("label")
        parser.add_argument(
            "--repository", help="Read the manifest of the copy in this repository."
        )

    def answer(self, options: dict[str, Any]) -> Answer:
        copy = named_copy(options["label"], options["repository"])
        contents = load_contents(copy)
        facts = _facts(copy.backup, copy)
        tables = [
            (each.schema, each.name, str(each.files), format_bytes(each.bytes))
            for each in contents.tables
        ]
        return Answer(
            {**facts, **_contents_fields(contents)},
            [
                table(("", ""), [(name, _written(found)) for name, found in facts.items()]),
                "",
                table(("schema", "table", "files", "size"), tables, right="files,size"),
                f"{len(contents.definitions)} definitions without files of their own "
                "(views, or tables in ibdata1)",
                f"{contents.other_files} other files, {format_bytes(contents.other_bytes)}",
            ],
        )


def _facts(backup: Backup, copy: BackupCopy) -> dict[str, object]:
    return {
        "label": backup.label,
        "instance": backup.instance.name,
        "kind": backup.kind,
        "needs": [each.ancestor.label for each in backup.ancestors.select_related("ancestor")],
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
        "key_id": copy.key_id or "not encrypted",
        "proof": load_proofs([backup])[backup.pk].in_words(),
        "retention": retention_words(judge_backups([backup], now()).get(backup.pk, [])),
    }


def _contents_fields(contents: BackupContents) -> dict[str, object]:
    return {
        "tables": [content._asdict() for content in contents.tables],
        "definitions": [each._asdict() for each in contents.definitions],
        "other_files": contents.other_files,
        "other_bytes": contents.other_bytes,
    }


def _written(found: object) -> str:
    if isinstance(found, list):
        return ", ".join(found) or "no other backup"
    if isinstance(found, timedelta):
        return format_duration(found)
    return "unknown" if found in (None, "") else str(found)
