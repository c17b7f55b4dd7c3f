"""In which order does a table stand? Read from the address, and only words the table knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.http import QueryDict


@dataclass(frozen=True, slots=True)
class Sorting:
    """One column, and which way; ``key`` is the word in the address: ``?sort=-size``."""

    column: str
    descending: bool
    key: str = "sort"

    def state_of(self, column: str) -> str:
        """Return what ``aria-sort`` says; nothing for the columns we do not sort by."""
        if column != self.column:
            return ""
        return "descending" if self.descending else "ascending"

    def next_of(self, column: str) -> str:
        """Return the order a click on the head of ``column`` asks for."""
        turn = column == self.column and not self.descending
        return f"-{column}" if turn else column

    def order_by(self, fields: Mapping[str, str]) -> str:
        """Return the word for a queryset's ``order_by``."""
        return f"{'-' if self.descending else ''}{fields[self.column]}"


def read_sorting(
    query: QueryDict, columns: tuple[str, ...], default: str, *, key: str = "sort"
) -> Sorting:
    """Read the order somebody asked for; what is no column of the table is the default."""
    asked = query.get(key, "")
    word = asked if asked.removeprefix("-") in columns else default
    return Sorting(word.removeprefix("-"), word.startswith("-"), key)
