"""Which base is chosen, and which reason for a full backup is given?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backups.chains.planner import Candidate, Cause, Wanted, choose_base
from backups.states import AUTO, KindCause

HERE = frozenset({"main"})
WANTED = Wanted("incremental", "mariadb_backup", "10.11", HERE, most_links=7)
FULL = Candidate("full", "full", 0, "mariadb_backup", "10.11", HERE)
LINK = replace(FULL, label="link", kind="incremental", ancestors=1)
PARTIAL = replace(FULL, label="part", kind="partial")


def test_an_incremental_is_based_on_the_newest_whole_backup() -> None:
    choice = choose_base(WANTED, [PARTIAL, LINK, FULL])
    assert (choice.kind, choice.base) == ("incremental", "link")
    assert choice.reason == "changes since link, the newest backup"


def test_a_differential_is_based_on_the_newest_full_one() -> None:
    choice = choose_base(replace(WANTED, kind="differential"), [LINK, FULL])
    assert (choice.kind, choice.base) == ("differential", "full")


def test_a_full_one_has_no_base() -> None:
    choice = choose_base(replace(WANTED, kind="full"), [LINK, FULL])
    assert (choice.kind, choice.base) == ("full", "")


@pytest.mark.parametrize(
    ("candidates", "reason"),
    [
        ([], "there is no stored backup to go on from"),
        ([PARTIAL], "there is no stored backup to go on from"),
        ([replace(FULL, repositories=frozenset({"other"}))], "cannot be read in main"),
        ([replace(FULL, fault="failed its restore test")], "failed its restore test"),
        ([replace(FULL, engine="clone")], "was taken by clone"),
        ([replace(FULL, series="10.6")], "is of a server of series 10.6, now it is 10.11"),
        ([replace(LINK, ancestors=7), FULL], "is backup 8 of its chain"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_reason_for_a_full_one(candidates: list[Candidate], reason: str) -> None:
    choice = choose_base(WANTED, candidates)
    assert (choice.kind, choice.base) == ("full", "")
    assert reason in choice.reason


def test_an_unknown_series_is_no_reason() -> None:
    assert choose_base(WANTED, [replace(FULL, series="")]).base == "full"
    assert choose_base(replace(WANTED, series=""), [FULL]).base == "full"


def test_one_of_chosen_tables_is_based_on_one_of_the_same() -> None:
    wanted = replace(WANTED, kind="auto", tables="shop.*")
    choice = choose_base(wanted, [LINK, FULL])
    assert (choice.kind, choice.base) == ("incremental", "link")
    assert choice.reason == "changes since link, the newest backup of shop.*"
    none = choose_base(wanted, [])
    assert none.reason == "there is no stored partial backup of shop.* to go on from"
    began = datetime(2026, 3, 1, tzinfo=UTC)
    old = choose_base(replace(wanted, old_before=began), [replace(FULL, full_began_at=began)])
    assert old.reason == (
        "full, the newest partial backup that stands alone, is of 2026-03-01 00:00Z"
    )


AUTOMATIC = replace(WANTED, kind="auto", old_before=datetime(2026, 3, 1, tzinfo=UTC))
YOUNG = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("candidates", "kind", "cause"),
    [
        ([], "full", Cause.NO_BASE),
        ([replace(FULL, full_began_at=YOUNG)], "incremental", Cause.INCREMENTAL_DUE),
        ([replace(LINK, full_began_at=YOUNG, shares=(0.1,))], "incremental", Cause.INCREMENTAL_DUE),
        ([replace(LINK, full_began_at=AUTOMATIC.old_before)], "full", Cause.FULL_OLD),
        ([replace(FULL, full_began_at=AUTOMATIC.old_before)], "full", Cause.FULL_OLD),
        ([replace(LINK, ancestors=7)], "full", Cause.CHAIN_FULL),
        ([replace(LINK, fault="failed its verify")], "full", Cause.BASE_UNUSABLE),
        ([replace(LINK, shares=(0.9, 0.6, 0.1))], "full", Cause.INCREMENTS_LARGE),
        ([replace(LINK, shares=(0.9,))], "incremental", Cause.INCREMENTAL_DUE),
        ([replace(LINK, shares=(0.9, 0.5))], "incremental", Cause.INCREMENTAL_DUE),
    ],
)
def test_whichever_is_due(candidates: list[Candidate], kind: str, cause: Cause) -> None:
    choice = choose_base(AUTOMATIC, candidates)
    assert (choice.kind, choice.cause) == (kind, cause)
    assert choice.reason


def test_a_requested_incremental_is_taken_whatever_the_age_and_size_of_its_chain() -> None:
    old = replace(LINK, full_began_at=YOUNG - timedelta(days=90), shares=(0.9, 0.9))
    assert choose_base(WANTED, [old]).base == "link"


def test_the_causes_are_those_of_a_job() -> None:
    assert {cause.value for cause in Cause} == set(KindCause.values) - {"full_overdue"}
    assert AUTOMATIC.kind == AUTO
