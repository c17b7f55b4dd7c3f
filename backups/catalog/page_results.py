"""How is said what a check of pages found: in a log, in evidence, in one line?

Damage found here is in the bytes as they were read from the server: a frame of the repository
that is damaged cannot be opened, and is another fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backups.catalog.contents import table_of
from backups.engines.clone.mapping import EXTERNAL
from backups.page_check import DamagedPage, PageReport

FILES_NAMED = 5
DAMAGE_HINT = (
    "The repository holds what the server sent: look at the server's disk, check the table there, "
    "and restore it from an older backup; all other tables of this one can still be restored."
)


def owner_of(path: str) -> str:
    """Return the table a file is of, or the file where it holds several or none."""
    if path.startswith(EXTERNAL + "/"):
        # Kept elsewhere by the server: its last two parts are as anywhere.
        path = "/".join(path.split("/")[-2:])
    table = table_of(path)
    return path if table is None else ".".join(table)


def damage_in_words(page: DamagedPage) -> str:
    space = "" if page.space_id is None else f" of space {page.space_id}"
    return f"{owner_of(page.file)}: page {page.page}{space} in {page.file}: {page.problem}"


def damages_in_words(report: PageReport) -> list[str]:
    """Name the first damaged pages, count the rest."""
    said = [damage_in_words(page) for page in report.named]
    if more := report.damaged - len(report.named):
        said.append(f"and {count_pages(more)} more")
    return said


def unknown_in_words(report: PageReport) -> list[str]:
    """Say what could not be checked, and why: neither a fault nor a pass."""
    lines = []
    for why, found in report.unknown.items():
        named = ", ".join(sorted(found.files)[:FILES_NAMED])
        others = len(found.files) - FILES_NAMED
        where = f"{named} and {others} more" if others > 0 else named
        pages = count_pages(found.pages) if found.pages else "pages"
        lines.append(f"{pages} not checked: {why}, in {where}")
    return lines


def as_json(report: PageReport) -> dict[str, Any]:
    """Return what evidence keeps. Any: JSON."""
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
    """Say in one line what evidence keeps of a check of pages."""
    said = [f"{count_pages(pages['whole'] + pages['empty'])} whole"]
    if pages["damaged"]:
        said.append(f"{pages['damaged']:,} damaged")
    if pages["not_checked"]:
        said.append(f"{pages['unknown']:,} unknown" if pages["unknown"] else "some unknown")
    return ", ".join(said)


def count_pages(count: int) -> str:
    return f"{count:,} page{'' if count == 1 else 's'}"


def _by_owner(report: PageReport) -> dict[str, int]:
    owners: dict[str, int] = {}
    for path, count in report.damaged_files.items():
        owners[owner_of(path)] = owners.get(owner_of(path), 0) + count
    return owners
