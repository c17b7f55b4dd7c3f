"""What do storage, requests and reading cost, and what is unknown without a price?"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from backups.repositories.prices import (
    GIB,
    PriceList,
    Requests,
    requests_to_read,
    requests_to_write,
)

PRICES = PriceList("EUR", Decimal("0.023"), Decimal("0.005"), Decimal("0.0004"), Decimal("0.09"))
PART = 8 << 20


def test_storage_is_by_the_month_and_reading_has_requests_and_bytes() -> None:
    assert PRICES.month(100 * GIB) == Decimal("2.3")
    assert PRICES.writing(Requests(2000, 1000)) == Decimal("0.0104")
    assert PRICES.reading(10 * GIB, Requests(reads=5000)) == Decimal("0.902")


@pytest.mark.parametrize("missing", ["writes", "reads", "egress"])
def test_without_one_price_the_sum_is_unknown(missing: str) -> None:
    known = replace(PRICES, **{missing: None})  # type: ignore[arg-type]  # a column of the case
    assert known.reading(GIB, Requests(reads=1)) is None
    assert known.month(GIB) is not None
    assert known.written(None) == "unknown"


def test_a_price_of_zero_is_known() -> None:
    free = PriceList("EUR", *[Decimal(0)] * 4)
    assert free.written(free.reading(GIB, Requests(reads=9))) == "0.00 EUR"
    assert not free.empty
    assert PriceList("EUR").empty


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("1234.5", "1,234.50 EUR"),
        ("0.105", "0.11 EUR"),
        ("0.0104", "0.010 EUR"),
        ("0.0004", "less than 0.001 EUR"),
        ("0", "0.00 EUR"),
    ],
)
def test_amounts_in_words(amount: str, words: str) -> None:
    assert PRICES.written(Decimal(amount)) == words


@pytest.mark.parametrize(
    ("size", "parts"), [(0, 0), (1, 1), (PART, 1), (PART + 1, 2), (256 << 20, 32)]
)
def test_requests_follow_from_parts_and_objects(size: int, parts: int) -> None:
    assert requests_to_write(size, 2, locked=False) == Requests(parts + 4, 4)
    assert requests_to_write(size, 2, locked=True) == Requests(parts + 6, 8)
    assert requests_to_read(size, 2) == Requests(0, parts + 4)
