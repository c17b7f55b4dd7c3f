"""Which schemas are in a backup, how big is each, and which one or table does a name mean?

Pure. Names are compared as a whole: a schema may have a dot in its name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backups.catalog.contents import BackupContents, TableContent


@dataclass(frozen=True, slots=True)
class SchemaContent:
    """A schema, the total size of its tables, and names without a file of their own."""

    name: str
    tables: int
    bytes: int
    # Views, and tables stored in ibdata1.
    definitions: int = 0


def schemas_of(contents: BackupContents) -> list[SchemaContent]:
    """Return the schemas of a backup, the largest first."""
    tables = Counter(table.schema for table in contents.tables)
    sizes: Counter[str] = Counter()
    for table in contents.tables:
        sizes[table.schema] += table.bytes
    definitions = Counter(table.schema for table in contents.definitions)
    rows = [
        SchemaContent(name, tables[name], sizes[name], definitions[name])
        for name in {*tables, *definitions}
    ]
    return sorted(rows, key=lambda row: (-row.bytes, row.name))


def largest_first(tables: Iterable[TableContent]) -> list[TableContent]:
    return sorted(tables, key=lambda table: (-table.bytes, table.schema, table.name))


def tables_of(contents: BackupContents, schema: str) -> Sequence[TableContent]:
    """Return the tables of a schema, then its names without files of their own."""
    definitions = sorted(each for each in contents.definitions if each.schema == schema)
    tables = [each for each in contents.tables if each.schema == schema]
    return [*largest_first(tables), *definitions]


def find_table(contents: BackupContents, name: str) -> TableContent | None:
    """Return the table that SCHEMA.TABLE names; None without such a table."""
    named = (*contents.tables, *contents.definitions)
    return next((each for each in named if f"{each.schema}.{each.name}" == name), None)
