"""What did a check of all pages find?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

# A damaged disk can damage everything; the report stays readable.
MAX_NAMED = 100


@dataclass(frozen=True, slots=True, order=True)
class DamagedPage:
    """A page that differs from what the server wrote."""

    file: str
    page: int
    # None if unknown.
    space_id: int | None
    problem: str


@dataclass(slots=True)
class UnknownPages:
    """Pages that could not be checked, for one reason."""

    pages: int = 0
    files: set[str] = field(default_factory=set)


@dataclass(slots=True)
class PageReport:
    """Counts of all pages of all tablespaces."""

    files: int = 0
    whole: int = 0
    # Zeros from end to end: allocated, never written.
    empty: int = 0
    # The server's own scratch space, no content of any table.
    doublewrite: int = 0
    damaged: int = 0
    # The first damaged pages, in order; and the number in each file.
    named: list[DamagedPage] = field(default_factory=list)
    damaged_files: Counter[str] = field(default_factory=Counter)
    unknown: dict[str, UnknownPages] = field(default_factory=dict)

    @property
    def unknown_pages(self) -> int:
        return sum(count.pages for count in self.unknown.values())

    def add_damage(self, page: DamagedPage) -> None:
        self.damaged += 1
        self.damaged_files[page.file] += 1
        if len(self.named) < MAX_NAMED:
            self.named.append(page)

    def add_unknown(self, file: str, why: str, pages: int = 1) -> None:
        unchecked = self.unknown.setdefault(why, UnknownPages())
        unchecked.pages += pages
        unchecked.files.add(file)
