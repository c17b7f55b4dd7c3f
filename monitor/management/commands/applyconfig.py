"""Apply a fleet configuration from a YAML document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from rich.text import Text

from backups.activity import record
from backups.management.output import Answer, MooringCommand
from backups.models.activity import Verb
from backups.units import format_count
from monitor.configuration.apply import ConfigurationChange, apply, load_document

COLOURS = {"add": "green", "change": "yellow", "disable": "red", "remove": "red"}


class Command(MooringCommand):
    help = "Apply instances, groups, schedules, objectives and rule settings from a YAML document."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="The YAML document.")
        parser.add_argument("--dry-run", action="store_true", help="Show what would change.")
        parser.add_argument(
            "--prune",
            action="store_true",
            help="Disable instances and schedules, and delete objectives and rule settings, that "
            "are not in it.",
        )

    def answer(self, options: dict[str, Any]) -> Answer:
        path, dry_run = options["file"], options["dry_run"]
        changes = apply(
            load_document(path), dry_run=dry_run, prune=options["prune"], folder=path.parent
        )
        if changes and not dry_run:
            entries = [f"{change.verb} {change.section}: {change.name}" for change in changes]
            record(Verb.CHANGED, details={"file": str(path), "entries": entries})
        shown = [line for change in changes for line in _lines(change)]
        verb = "would change" if dry_run else "changed"
        count = format_count(len(changes), "entry", "entries")
        shown.append(Text(f"{count} {verb}." if changes else "Nothing to change."))
        return Answer(
            {"dry_run": dry_run, "changes": [_fields(change) for change in changes]}, shown
        )


def _lines(change: ConfigurationChange) -> list[Text]:
    head = Text(f"{change.verb} {change.section}: {change.name}", COLOURS[change.verb])
    return [head, *(Text(f"    {name}: {old!r} → {new!r}") for name, old, new in change.columns)]


def _fields(change: ConfigurationChange) -> dict[str, object]:
    columns = {name: {"old": old, "new": new} for name, old, new in change.columns}
    return {
        "section": change.section,
        "name": change.name,
        "verb": change.verb,
        "columns": columns,
    }
