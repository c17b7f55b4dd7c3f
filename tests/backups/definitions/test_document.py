"""The file of definitions: what was written is read, and nothing else is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from backups.definitions.document import (
    Definition,
    decode,
    encode,
    encode_foot,
    encode_head,
)
from backups.exceptions import ArchiveError

AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
ORDERS = Definition("table", "shop", "orders", "CREATE TABLE `orders` (\n  `id` int\n)")
PAY = Definition("procedure", "shop", "pay", "CREATE PROCEDURE `pay`()", "ANSI_QUOTES")


def document(*definitions: Definition, missing: tuple[str, ...] = ()) -> bytes:
    lines = [encode_head(AT), *map(encode, definitions), encode_foot(len(definitions), missing)]
    return b"".join(lines)


def test_what_was_written_is_read() -> None:
    read = decode(document(ORDERS, PAY, missing=("events may be missing",)))
    assert read.objects == (ORDERS, PAY)
    assert (read.read_at, read.missing) == (AT, ("events may be missing",))


def test_a_name_with_line_ends_and_separators_is_one_line() -> None:
    odd = Definition("table", "a\nb", "c\u2028d\x85", "CREATE TABLE `c\u2028d\x85` (\r\n)")
    assert decode(document(odd)).objects == (odd,)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"mooring": "manifest"}\n',
        document(ORDERS).replace(b'"format":1', b'"format":2'),
        document(ORDERS).replace(b'"objects":1', b'"objects":2'),
        document(ORDERS).replace(b'"table"', b'"user"'),
        document(ORDERS).replace(b'"orders"', b"7"),
        document(ORDERS).replace(b'"orders"', b'"a\\u0000b"'),
        document(ORDERS).replace(b"2026-03-02", b"yesterday"),
        document(ORDERS).replace(b"+00:00", b""),
        document(ORDERS).replace(b'"missing":[]', b'"missing":"none"'),
        document(ORDERS)[:-20],
        b"[" * 100_000,
    ],
)
def test_what_no_backup_writes_is_refused(content: bytes) -> None:
    with pytest.raises(ArchiveError, match=r"mooring-definitions\.jsonl"):
        decode(content)
