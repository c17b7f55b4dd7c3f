"""Shows how a table, view, routine, trigger or event in a backup is defined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from backups.catalog.copies import named_copy
from backups.catalog.definitions import load_definitions
from backups.definitions.document import Definition, Definitions
from backups.definitions.written import printable, without_passwords
from backups.exceptions import BadInput
from backups.management.output import Answer, MooringCommand, table
from backups.visible import visible


class Command(MooringCommand):
    help = "Show how what is in a backup is defined; without a name, what there is."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("label")
        parser.add_argument(
            "name", nargs="?", default="", help="SCHEMA.NAME, or SCHEMA for all of a schema."
        )
        parser.add_argument("--repository", help="Read the copy in this repository.")

    def answer(self, options: dict[str, Any]) -> Answer:
        label = options["label"]
        definitions = load_definitions(named_copy(label, options["repository"]))
        if definitions is None:
            raise BadInput(
                f"{label} holds no definitions: it was taken without them",
                hint="Restore it and ask the restored server, or take a new backup.",
            )
        chosen = _chosen(definitions, options["name"], label)
        shown: list[RenderableType] = [_statement(each) for each in chosen]
        if not options["name"]:
            rows = [(each.kind, visible(each.full_name)) for each in chosen]
            shown = [table(("kind", "name"), rows)]
        fields = {
            "label": label,
            "read_at": definitions.read_at,
            "definitions": [_fields(each, in_full=bool(options["name"])) for each in chosen],
            "missing": list(definitions.missing),
        }
        return Answer(fields, [*shown, *(f"missing: {why}" for why in definitions.missing)])


def _chosen(definitions: Definitions, name: str, label: str) -> Sequence[Definition]:
    if not name:
        return definitions.objects
    chosen = [each for each in definitions.objects if name in (each.full_name, each.schema)]
    if not chosen:
        raise BadInput(
            f"{label} holds no definition of {name}",
            hint=f"Run showdefinition {label} to see what there is.",
        )
    return chosen


def _statement(definition: Definition) -> str:
    head = f"-- {definition.kind} {visible(definition.full_name)}"
    mode = f", sql_mode {definition.sql_mode}" if definition.sql_mode else ""
    return f"{head}{mode}\n{printable(without_passwords(definition.sql))};\n"


def _fields(definition: Definition, *, in_full: bool) -> dict[str, str]:
    fields = {"kind": definition.kind, "schema": definition.schema, "name": definition.name}
    return {**fields, "sql": without_passwords(definition.sql)} if in_full else fields
