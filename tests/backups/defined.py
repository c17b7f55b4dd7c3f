"""Definitions as a backup keeps them, made up."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from backups.definitions.document import Definition, encode, encode_foot, encode_head

READ_AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def table(name: str, body: str = "  `id` int\n", options: str = "ENGINE=InnoDB") -> Definition:
    return Definition("table", "shop", name, f"CREATE TABLE `{name}` (\n{body}) {options}")


def document(definitions: Iterable[Definition], missing: Iterable[str] = ()) -> bytes:
    """Return the file that keeps them."""
    lines = [encode(each) for each in definitions]
    return b"".join([encode_head(READ_AT), *lines, encode_foot(len(lines), missing)])
