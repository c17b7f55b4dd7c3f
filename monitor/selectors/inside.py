"""What is inside a backup: its schemas, the tables of one, one table? Rows, never a repository."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.http import QueryDict

from backups.catalog.contents import BackupContents, TableContent, stored_contents
from backups.catalog.schemas import SchemaContent, largest_first, schemas_of, tables_of
from backups.models import Backup

PAGE_SIZE = 100
LEAST_PERCENT = 1


@dataclass(frozen=True, slots=True)
class SchemaRow:
    """A schema, and the length of its bar."""

    schema: SchemaContent
    # Of the largest.
    percent: int


@dataclass(frozen=True, slots=True)
class TableRow:
    """A table, or a name without files of its own, and the length of its bar."""

    table: TableContent
    percent: int
    # False of a view, and of a table that shares a tablespace.
    has_files: bool


@dataclass(frozen=True, slots=True)
class InsideView:
    """All schemas, or the tables of one or those that match a search; the largest first."""

    contents: BackupContents
    schema: str
    search: str
    # One of the two is there.
    schemas: Page[SchemaRow] | None
    tables: Page[TableRow] | None
    # Of what is listed, on all pages.
    bytes: int

    @property
    def page(self) -> Page[SchemaRow] | Page[TableRow] | None:
        return self.schemas or self.tables


def load_inside(backup: Backup, query: QueryDict) -> InsideView | None:
    """Return what the query string selects; None if the contents were not registered."""
    contents = stored_contents(backup)
    if contents is None:
        return None
    schema, search = query.get("schema", ""), query.get("q", "").strip()
    if not schema and not search:
        found = schemas_of(contents)
        rows = [SchemaRow(each, _percent(each.bytes, found[0].bytes)) for each in found]
        page = Paginator(rows, PAGE_SIZE).get_page(query.get("page"))
        return InsideView(contents, "", "", page, None, sum(each.bytes for each in found))
    tables = _table_rows(contents, schema, search)
    return InsideView(
        contents,
        schema,
        search,
        None,
        Paginator(tables, PAGE_SIZE).get_page(query.get("page")),
        sum(row.table.bytes for row in tables if row.has_files),
    )


def find_row(backup: Backup, schema: str, name: str) -> TableRow | None:
    """Return the row of one table; None without such a table."""
    contents = stored_contents(backup)
    rows = [] if contents is None or not schema else _table_rows(contents, schema, "")
    return next((row for row in rows if row.table.name == name), None)


def _table_rows(contents: BackupContents, schema: str, search: str) -> Sequence[TableRow]:
    found = tables_of(contents, schema) if schema else _all_of(contents)
    chosen = [each for each in found if search.lower() in f"{each.schema}.{each.name}".lower()]
    with_files = {each[:2] for each in contents.tables}
    largest = max((each.bytes for each in chosen if each[:2] in with_files), default=0)
    return [
        TableRow(each, _percent(each.bytes, largest) if has_files else 0, has_files)
        for each in chosen
        for has_files in (each[:2] in with_files,)
    ]


def _all_of(contents: BackupContents) -> Sequence[TableContent]:
    return [*largest_first(contents.tables), *sorted(contents.definitions)]


def _percent(size: int, largest: int) -> int:
    return max(LEAST_PERCENT, round(100 * size / largest)) if largest and size else 0
