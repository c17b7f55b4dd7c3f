"""Names of tables, and of their files."""

from __future__ import annotations

import pytest

from backups.exceptions import BadInput
from backups.table_names.names import TableName, file_pattern, named_table, parse_table


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("shop.orders", TableName("shop", "orders")),
        ("`my.shop`.`a``b.c`", TableName("my.shop", "a`b.c")),
        ("shop.2026.q1", TableName("shop", "2026.q1")),
        ("shop.odd-näme", TableName("shop", "odd-näme")),
    ],
)
def test_a_name_is_read(text: str, name: TableName) -> None:
    assert parse_table(text) == name


@pytest.mark.parametrize("text", ["", "orders", ".orders", "shop.", "`a.b", f"a.{'b' * 65}"])
def test_what_names_no_table_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="names no table"):
        parse_table(text)


def test_names_are_quoted() -> None:
    assert TableName("a`b", "c").quoted == "`a``b`.`c`"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("orders", "shop/orders.ibd"),
        ("orders", "shop/orders.frm"),
        ("orders", "shop/orders#p#p0.ibd"),
        ("orders", "shop/orders#P#p0#SP#p0sp1.ibd"),
        ("odd-name", "shop/odd@002dname.ibd"),
        ("näme", "shop/n@1hme.ibd"),
        ("ξ", "shop/@03be.MYD"),
    ],
)
def test_files_of_a_table(name: str, path: str) -> None:
    assert file_pattern(TableName("shop", name)).fullmatch(path)


@pytest.mark.parametrize(
    "path", ["shop/orders2.ibd", "shop/my_orders.ibd", "shop2/orders.ibd", "orders.ibd"]
)
def test_files_of_others(path: str) -> None:
    assert not file_pattern(TableName("shop", "orders")).fullmatch(path)


@pytest.mark.parametrize(
    "names", [("", "a"), ("a", ""), ("a", "b" * 65), ("a\0", "b"), ("a", "b ")]
)
def test_names_that_no_server_allows_are_refused(names: tuple[str, str]) -> None:
    with pytest.raises(BadInput, match="names no table"):
        named_table(*names)
