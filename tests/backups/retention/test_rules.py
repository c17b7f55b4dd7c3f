"""Which backups may go, and the reason why each of the others stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from backups.retention.rules import Entry, Policy, rule

NOW = datetime(2026, 3, 30, 2, 0, tzinfo=UTC)
TWO_WEEKS = Policy("nightly", timedelta(days=14), 3)


def aged(days: float, **values: object) -> Entry:
    entry = Entry(f"d{days:g}", NOW - timedelta(days=days))
    return replace(entry, **values)  # type: ignore[arg-type] # columns of the case


def kept(entries: list[Entry], policy: Policy = TWO_WEEKS, **how: str) -> dict[str, str]:
    return {
        each.label: each.reason for each in rule(entries, policy, NOW, **how) if not each.may_go
    }


def gone(entries: list[Entry], policy: Policy = TWO_WEEKS, **how: str) -> set[str]:
    return {each.label for each in rule(entries, policy, NOW, **how) if each.may_go}


def test_what_is_older_goes_and_says_why() -> None:
    entries = [aged(days) for days in (1, 2, 3, 13.9, 14, 15)]
    assert gone(entries) == {"d14", "d15"}
    oldest = rule(entries, TWO_WEEKS, NOW)[-1]
    assert (
        oldest.reason == "schedule nightly keeps 14 d 0 h and at least 3: this one is 15 d 0 h old"
    )
    assert kept(entries)["d1"] == "kept until 2026-04-12 02:00Z"


def test_the_newest_stay_however_old() -> None:
    entries = [aged(days) for days in (20, 30, 40, 50)]
    assert gone(entries) == {"d50"}
    assert kept(entries)["d40"] == "one of the 3 newest"


def test_a_damaged_one_is_nothing_to_fall_back_to() -> None:
    entries = [aged(20, sound=False), aged(30), aged(40), aged(50), aged(60)]
    assert gone(entries) == {"d20", "d60"}


def test_pinned_stays() -> None:
    entries = [*(aged(days) for days in (1, 2, 3)), aged(90, pinned=True)]
    assert kept(entries)["d90"] == "pinned"


def test_a_base_stays_as_long_as_what_needs_it() -> None:
    full = aged(20, dependents=frozenset({"d13", "d16"}))
    entries = [aged(1), aged(2), aged(3), aged(13), aged(16), full]
    assert gone(entries) == {"d16"}
    assert kept(entries)["d20"] == "needed to restore d13"
    # Everything that needs it may go: so may it, after them.
    assert gone([aged(1), aged(2), aged(3), aged(15), aged(16, dependents=frozenset({"d15"}))]) == {
        "d15",
        "d16",
    }


def test_what_another_schedule_made_needs_its_base_as_well() -> None:
    full = aged(20, dependents=frozenset({"of-hourly"}))
    assert "d20" in kept([aged(1), aged(2), aged(3), full])


def test_nothing_goes_while_the_newest_run_is_unhealthy() -> None:
    entries = [aged(days) for days in (1, 2, 3, 15)]
    assert gone(entries, newest_run_failed="missed") == set()
    reasons = kept(entries, newest_run_failed="missed")
    assert reasons["d15"] == "nothing is deleted while the newest run is missed"


def test_for_ever_is_for_ever() -> None:
    entries = [aged(9000)] * 5
    assert gone(entries, Policy("nightly", None, 1)) == set()


ages = st.lists(st.integers(0, 60), unique=True, max_size=30)


@given(ages, st.integers(1, 5), st.integers(0, 40))
def test_the_newest_always_stay(days: list[int], keep_least: int, keep_days: int) -> None:
    entries = [aged(each) for each in days]
    going = gone(entries, Policy("nightly", timedelta(days=keep_days), keep_least))
    newest = sorted(days)[:keep_least]
    assert not going & {f"d{each}" for each in newest}
    assert going <= {f"d{each}" for each in days if each >= keep_days}
