"""What is said of the tables of a partial backup before it starts."""

from __future__ import annotations

from dataclasses import replace

from backups.checks import Verdict
from backups.instances.chosen_tables import ChosenTables, ServerTable
from backups.preflight.tables_check import judge_chosen
from backups.table_names.choice import parse_choice

CHOICE = parse_choice(["shop.*"], [])
assert CHOICE is not None
CHOSEN = ChosenTables(
    CHOICE,
    (ServerTable("shop", "orders", "shop/orders", "InnoDB"),),
    unmatched=(),
    cut=(),
    entries=("shop/orders",),
    left_out=3,
    size_bytes=2048,
    system_bytes=4096,
)


def test_what_will_be_in_is_said() -> None:
    check = judge_chosen(CHOSEN)
    assert check.verdict is Verdict.OK
    assert (
        check.found
        == "1 table of 1 schema, 2.0 KiB of InnoDB and 4.0 KiB of system files; 3 not in"
    )


def test_foreign_keys_that_are_cut_are_warned_of() -> None:
    check = judge_chosen(replace(CHOSEN, cut=("shop.orders → shop.people",)))
    assert check.verdict is Verdict.WARNING
    assert "1 foreign key to tables that are not in: shop.orders → shop.people" in check.found


def test_what_matches_nothing_is_refused() -> None:
    check = judge_chosen(replace(CHOSEN, unmatched=("shop.gone",)))
    assert (check.verdict, check.found) == (Verdict.FAILED, "no table matches shop.gone")


def test_names_that_the_tool_cannot_read_are_refused() -> None:
    schema = "@6f22" * 40
    fits, long = (f"{schema}/{name}" for name in ("a" * 183, "a" * 184))
    assert judge_chosen(replace(CHOSEN, entries=(fits,))).verdict is Verdict.OK
    check = judge_chosen(replace(CHOSEN, entries=(fits, long)))
    assert check.verdict is Verdict.FAILED
    assert check.found == f"names longer than 384 bytes as files: {long}"


def test_nothing_at_all_is_refused() -> None:
    check = judge_chosen(replace(CHOSEN, tables=()))
    assert (check.verdict, check.found) == (Verdict.FAILED, "no table is left of shop.*")


def test_a_clone_is_said_to_send_everything() -> None:
    long = f"{'s' * 200}/{'t' * 200}"
    check = judge_chosen(replace(CHOSEN, entries=(long,), sent_bytes=3 << 30))
    assert check.verdict is Verdict.OK
    assert check.found.endswith(
        "; the donor sends all of its 3.0 GiB, and what is not in is dropped on arrival"
    )
