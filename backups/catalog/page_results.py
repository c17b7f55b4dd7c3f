"""How are the findings of a page check written: in a log, in evidence, in one line?

Damage found here was already in the bytes read from the server: a frame damaged in the repository
cannot be opened, and is reported separately.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backups.catalog.contents import table_of
from backups.engines.clone.mapping import EXTERNAL
from backups.page_check import DamagedPage, PageReport
from backups.units import format_count

FILES_NAMED = 5
DAMAGE_HINT = (
    "The repository holds the bytes the server sent: check the server's disk and the table there, "
    "and restore it from an older backup; all other tables of this backup can be restored."
)


def owner_of(path: str) -> str:
    """Return the table of a file, or the file if it holds several tables or none."""
    if path.startswith(EXTERNAL + "/"):
        # Outside the data directory; its last two parts are schema and table as usual.
        path = "/".join(path.split("/")[-2:])
    table = table_of(path)
    return path if table is None else ".".join(table)


def damage_in_words(page: DamagedPage) -> str:
    space = "" if page.space_id is None else f" of space {page.space_id}"
    return f"{owner_of(page.file)}: page {page.page}{space} in {page.file}: {page.problem}"


def damages_in_words(report: PageReport) -> list[str]:
    """Name the first damaged pages, count the rest."""
    lines = [damage_in_words(page) for page in report.named]
    if more := report.damaged - len(report.named):
        lines.append(f"and {count_pages(more)} more")
    return lines


def unknown_in_words(report: PageReport) -> list[str]:
    """List what could not be checked, and why: neither a fault nor a pass."""
    lines = []
    for why, count in report.unknown.items():
        named = ", ".join(sorted(count.files)[:FILES_NAMED])
        others = len(count.files) - FILES_NAMED
        where = f"{named} and {others} more" if others > 0 else named
        pages = count_pages(count.pages) if count.pages else "pages"
        lines.append(f"{pages} not checked: {why}, in {where}")
    return lines


def as_json(report: PageReport) -> dict[str, Any]:
    """Return the report as stored in evidence. Any: JSON."""
    return {
        "files": report.files,
        "whole": report.whole,
        "empty": report.empty,
        "doublewrite": report.doublewrite,
        "unknown": report.unknown_pages,
        "not_checked": unknown_in_words(report),
        "damaged": report.damaged,
        "damaged_tables": dict(sorted(_by_owner(report).items())),
        "damages": damages_in_words(report),
    }


def summary(pages: Mapping[str, Any]) -> str:
    """Summarise the page check of an evidence report in one line."""
    parts = [f"{count_pages(pages['whole'] + pages['empty'])} whole"]
    if pages["damaged"]:
        parts.append(f"{pages['damaged']:,} damaged")
    if pages["not_checked"]:
        parts.append(f"{pages['unknown']:,} unknown" if pages["unknown"] else "some unknown")
    return ", ".join(parts)


def count_pages(count: int) -> str:
    return format_count(count, "page")


def _by_owner(report: PageReport) -> dict[str, int]:
    owners: dict[str, int] = {}
    for path, count in report.damaged_files.items():
        owners[owner_of(path)] = owners.get(owner_of(path), 0) + count
    return owners
