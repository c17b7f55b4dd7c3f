"""How is a table sorted? Read from the query string, restricted to its columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.http import QueryDict


@dataclass(frozen=True, slots=True)
class Sorting:
    """A column and a direction; ``key`` is the parameter in the query string: ``?sort=-size``."""

    column: str
    descending: bool
    key: str = "sort"

    def state_of(self, column: str) -> str:
        """Return the value of ``aria-sort``; blank for the other columns."""
        if column != self.column:
            return ""
        return "descending" if self.descending else "ascending"

    def next_of(self, column: str) -> str:
        """Return the order that a click on the header of ``column`` requests."""
        reverse = column == self.column and not self.descending
        return f"-{column}" if reverse else column

    def order_by(self, fields: Mapping[str, str]) -> str:
        """Return the argument for ``order_by``."""
        return f"{'-' if self.descending else ''}{fields[self.column]}"


def read_sorting(
    query: QueryDict, columns: tuple[str, ...], default: str, *, key: str = "sort"
) -> Sorting:
    """Return the requested order; an unknown column gives the default."""
    requested = query.get(key, "")
    order = requested if requested.removeprefix("-") in columns else default
    return Sorting(order.removeprefix("-"), order.startswith("-"), key)
