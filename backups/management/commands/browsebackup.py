"""Shows what is inside a backup: schemas, tables of a schema, or one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser

from backups.activity import record
from backups.archive.contents import StoredFile
from backups.archive.reader import BackupReader
from backups.catalog.contents import (
    BackupContents,
    TableContent,
    files_by_table,
    group_by_table,
    partition_of,
)
from backups.catalog.copies import named_copy, open_chain
from backups.catalog.definitions import read_definitions
from backups.catalog.schemas import find_table, schemas_of, tables_of
from backups.definitions.document import Definition
from backups.definitions.written import printable, without_passwords
from backups.exceptions import BadInput
from backups.management.browsed_rows import add_row_options, rows_answer, wanted_rows
from backups.management.output import Answer, MooringCommand, table
from backups.models.activity import Verb
from backups.units import format_bytes, format_count


class Command(MooringCommand):
    help = "Look inside a backup: its schemas, the tables of one, or one table."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("label")
        parser.add_argument("name", nargs="?", default="", help="SCHEMA, or SCHEMA.TABLE.")
        parser.add_argument("--repository", help="Read the copy in this repository.")
        add_row_options(parser)

    def answer(self, options: dict[str, Any]) -> Answer:
        label, name = options["label"], options["name"]
        if options["rows"]:
            wanted = wanted_rows(label, options)
            record(Verb.VIEWED, wanted.copy.backup, details={"table": str(wanted.table)})
            return rows_answer(wanted, options)
        chain = open_chain(named_copy(label, options["repository"]))
        contents = group_by_table(chain[-1].manifest.contents)
        if not name:
            return _schemas(label, contents)
        if tables := tables_of(contents, name):
            return _tables(label, name, tables)
        if (found := find_table(contents, name)) is None:
            raise BadInput(
                f"{label} holds no schema or table {name}",
                hint=f"Run browsebackup {label} to see what there is.",
            )
        return _one_table(label, found, chain)


def _schemas(label: str, contents: BackupContents) -> Answer:
    schemas = schemas_of(contents)
    rows = [
        (each.name, str(each.tables), str(each.definitions), format_bytes(each.bytes))
        for each in schemas
    ]
    fields = {
        "label": label,
        "schemas": [
            {
                "name": each.name,
                "tables": each.tables,
                "without_files": each.definitions,
                "bytes": each.bytes,
            }
            for each in schemas
        ],
        "other_files": contents.other_files,
        "other_bytes": contents.other_bytes,
    }
    headings = ("schema", "tables", "without files", "size")
    others = format_count(contents.other_files, "other file")
    return Answer(
        fields,
        [
            table(headings, rows, right="tables,without files,size"),
            f"{others}, {format_bytes(contents.other_bytes)}",
            "without files: views, and tables that share a tablespace",
        ],
    )


def _tables(label: str, schema: str, tables: Sequence[TableContent]) -> Answer:
    rows = [
        (
            each.name,
            each.engine or "unknown",
            str(each.partitions or ""),
            str(each.files),
            format_bytes(each.bytes),
        )
        for each in tables
    ]
    fields = {
        "label": label,
        "schema": schema,
        "tables": [_table_fields(each) for each in tables],
    }
    headings = ("table", "engine", "partitions", "files", "size")
    return Answer(fields, [table(headings, rows, right="partitions,files,size")])


def _one_table(label: str, found: TableContent, chain: Sequence[BackupReader]) -> Answer:
    tables, _ = files_by_table(chain[-1].manifest.contents.files)
    files = tables[found[:2]]
    definition, missing = _definition_of(found, chain)
    facts = _table_fields(found)
    rows = [(each.path, partition_of(each.path), format_bytes(each.size)) for each in files]
    fields = {
        "label": label,
        **facts,
        "stored_files": [_file_fields(each) for each in files],
        "definition": definition and without_passwords(definition.sql),
        "definition_missing": missing,
    }
    written = printable(without_passwords(definition.sql)) if definition else ""
    return Answer(
        fields,
        [
            table(("", ""), [(name, _written(fact)) for name, fact in facts.items()]),
            "",
            table(("file", "partition", "size"), rows, right="size"),
            "",
            *([f"{written};"] if definition else [f"definition unknown: {why}" for why in missing]),
        ],
    )


def _definition_of(
    found: TableContent, chain: Sequence[BackupReader]
) -> tuple[Definition | None, Sequence[str]]:
    """Return the definition of a table, or reasons for which it is unknown."""
    definitions = read_definitions(chain)
    if definitions is None:
        return None, ["the backup was taken without definitions"]
    for each in definitions.objects:
        if (each.schema, each.name) == found[:2] and each.kind in ("table", "sequence", "view"):
            return each, ()
    return None, ["the server listed no such table", *definitions.missing]


def _table_fields(found: TableContent) -> dict[str, object]:
    return {
        "schema": found.schema,
        "name": found.name,
        "engine": found.engine or None,
        "partitions": found.partitions,
        "files": found.files,
        "bytes": found.bytes,
    }


def _file_fields(file: StoredFile) -> dict[str, object]:
    return {
        "path": file.path,
        "partition": partition_of(file.path) or None,
        "bytes": file.size,
        "stored_bytes": file.written_bytes,
    }


def _written(fact: object) -> str:
    return "unknown" if fact is None else str(fact)
