"""Which patterns of tables there are, and what each of them matches."""

from __future__ import annotations

import pytest

from backups.exceptions import BadInput
from backups.table_names.choice import choice_in_words, parse_choice, parse_pattern, read_choice


@pytest.mark.parametrize(
    ("pattern", "schema", "table", "matches"),
    [
        ("shop.*", "shop", "orders", True),
        ("shop", "shop", "orders", True),
        ("shop.*", "shop2", "orders", False),
        ("shop.order?", "shop", "orders", True),
        ("shop.order?", "shop", "order", False),
        ("sho?.*", "shop", "x", True),
        ("*.log_*", "other", "log_1", True),
        ("shop.a.b", "shop", "a.b", None),
        ("shop.`a.b`", "shop", "a.b", True),
        ("shop.`a*`", "shop", "abc", False),
        ("shop.`a*`", "shop", "a*", True),
        ("`we``ird`.t", "we`ird", "t", True),
        ("shop.[ab]", "shop", "a", False),
        ("shop.a+", "shop", "aa", False),
        ("shop.`x`*", "shop", "xyz", True),
    ],
)
def test_a_pattern_is_as_in_a_shell_and_names_in_backticks_are_themselves(
    pattern: str, schema: str, table: str, matches: bool | None
) -> None:
    if matches is None:
        with pytest.raises(BadInput, match="not a schema, a dot and a table"):
            parse_pattern(pattern)
        return
    assert parse_pattern(pattern).matches(schema, table, fold=False) is matches


@pytest.mark.parametrize("text", ["", " ", ".", "shop.", ".t", "`shop", "a\nb", "x" * 301, "``.t"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_pattern(text)


def test_case_is_that_of_the_server() -> None:
    pattern = parse_pattern("Shop.Orders")
    assert not pattern.matches("shop", "orders", fold=False)
    assert pattern.matches("shop", "orders", fold=True)


def test_what_is_excluded_is_not_in() -> None:
    choice = parse_choice(["shop.*"], ["shop.log_*", "shop.gone"])
    assert choice is not None
    names = [("shop", "orders"), ("shop", "log_1"), ("other", "t")]
    assert [choice.chooses(*name, fold=False) for name in names] == [True, False, False]
    assert choice.unmatched(names, fold=False) == ["shop.gone"]
    assert str(choice) == "shop.* without shop.log_*, shop.gone"


def test_without_an_inclusion_everything_else_is_in() -> None:
    choice = parse_choice([], ["shop.log"])
    assert choice is not None
    assert choice.chooses("other", "t", fold=False)
    assert str(choice) == "all tables without shop.log"


def test_a_choice_is_stored_and_read_again() -> None:
    choice = parse_choice(["shop.*"], ["shop.`a.b`"])
    assert choice is not None
    assert read_choice(choice.write()) == choice
    assert read_choice({}) is None
    assert choice_in_words({}) == ""
    for stored in ({"include": "shop.*"}, {"exclude": [7]}):
        with pytest.raises(BadInput, match="no list of patterns"):
            read_choice(stored)


def test_there_are_not_too_many() -> None:
    with pytest.raises(BadInput, match="201 patterns of tables are more than 200"):
        parse_choice(["a.b"] * 201, [])
