"""Which schemas and tables does a backup contain? One page of what was registered with it."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.http import QueryDict
from django.utils.http import urlencode

from backups.catalog.contents import BackupContents, TableContent, stored_contents
from backups.catalog.schemas import SchemaContent, largest_first, schemas_of
from backups.models import Backup

PAGE_SIZE = 100
SCHEMAS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class ContentsView:
    """The filtered contents of a backup, the largest first."""

    contents: BackupContents
    schemas: list[SchemaContent]
    hidden_schemas: int
    schema: str
    search: str
    page: Page[TableContent]

    @property
    def newer(self) -> str:
        """The query string of the previous page; blank if there is none."""
        return self._query(self.page.number - 1) if self.page.has_previous() else ""

    @property
    def older(self) -> str:
        return self._query(self.page.number + 1) if self.page.has_next() else ""

    def _query(self, number: int) -> str:
        return urlencode({"schema": self.schema, "q": self.search, "page": str(number)})


def view_contents(backup: Backup, query: QueryDict) -> ContentsView | None:
    """Filter the contents; None if they were not registered. Reads rows, never a repository."""
    contents = stored_contents(backup)
    if contents is None:
        return None
    schema, search = query.get("schema", ""), query.get("q", "").strip()
    tables = [
        table
        for table in contents.tables
        if (not schema or table.schema == schema)
        and search.lower() in f"{table.schema}.{table.name}".lower()
    ]
    schemas = schemas_of(contents)
    return ContentsView(
        contents=contents,
        schemas=schemas[:SCHEMAS_SHOWN],
        hidden_schemas=max(0, len(schemas) - SCHEMAS_SHOWN),
        schema=schema,
        search=search,
        page=Paginator(largest_first(tables), PAGE_SIZE).get_page(query.get("page")),
    )
