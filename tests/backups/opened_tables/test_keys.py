"""Which key matches the rows of two backups, and how its values are read and found again."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from backups.exceptions import Refused
from backups.opened_tables.keys import KeyColumn, Ordered, RowKey, choose_key
from backups.table_names.names import TableName

ORDERS = TableName("shop", "orders")
ID = KeyColumn("id", "int")
WORD = KeyColumn("word", "varchar", "utf8mb4_general_ci", 20, padded=True)
PRIMARY = RowKey("PRIMARY", (ID,))
WORDS = RowKey("words", (WORD, ID))
NULLABLE = RowKey("PRIMARY", (ID,), "its column id may be NULL")


def test_the_first_key_that_both_have_is_chosen() -> None:
    assert choose_key([PRIMARY, WORDS], [PRIMARY], ORDERS) == PRIMARY
    other = RowKey("PRIMARY", (KeyColumn("id", "bigint"),))
    assert choose_key([PRIMARY, WORDS], [other, WORDS], ORDERS) == WORDS


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ([], [PRIMARY], "no primary key and no unique key"),
        ([PRIMARY], [RowKey("PRIMARY", (WORD,))], "keys of the two backups differ"),
        ([NULLABLE], [NULLABLE], "PRIMARY: its column id may be NULL$"),
    ],
)
def test_without_one_it_is_unknown(
    before: Sequence[RowKey], after: Sequence[RowKey], why: str
) -> None:
    with pytest.raises(Refused, match=why):
        choose_key(before, after, ORDERS)


@pytest.mark.parametrize(
    ("column", "order", "value", "parameter"),
    [
        (ID, "`id`", 7, 7),
        (KeyColumn("a`b", "decimal"), "`a``b`", Decimal("1.50"), Decimal("1.50")),
        (KeyColumn("e", "enum"), "CAST(`e` AS UNSIGNED)", 2, 2),
        (KeyColumn("b", "varbinary"), "HEX(`b`)", "FF00", b"\xff\x00"),
        (WORD, "HEX(WEIGHT_STRING(`word` AS CHAR(20)))", "C3A4", "ä"),
        (KeyColumn("w", "char"), "HEX(WEIGHT_STRING(`w`))", "61", "a"),
    ],
)
def test_values_are_read_and_found_again(
    column: KeyColumn, order: str, value: Ordered, parameter: object
) -> None:
    assert column.order == order
    assert column.parameter(value) == parameter
