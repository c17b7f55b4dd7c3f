"""Which copies may go, and the reason why each of the others stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backups.retention.links import Chains, KeptLink
from backups.retention.periods import PeriodCounts
from backups.retention.policy import Policy
from backups.retention.rules import RetentionVerdict, judge

NOW = datetime(2026, 3, 30, 2, 0, tzinfo=UTC)
DAY = timedelta(days=1)
TWO_WEEKS = Policy("schedule nightly", 14 * DAY, 3, keep_proven=0)


def aged(days: float, **values: object) -> KeptLink:
    link = KeptLink(round(days * 10), f"d{days:g}", 1, NOW - timedelta(days=days))
    return replace(link, **values)  # type: ignore[arg-type] # columns of the case


def verdicts(links: list[KeptLink], *policies: Policy) -> dict[str, RetentionVerdict]:
    known = dict(enumerate(policies or (TWO_WEEKS,), 1))
    found = judge(links, known, NOW)
    return {link.label: found[link.key] for link in links}


def gone(links: list[KeptLink], *policies: Policy) -> set[str]:
    return {label for label, verdict in verdicts(links, *policies).items() if verdict.may_go}


def test_what_is_older_goes_and_says_why() -> None:
    links = [aged(days) for days in (1, 2, 3, 13.9, 14, 15)]
    found = verdicts(links)
    assert gone(links) == {"d15"}
    assert (
        found["d15"].reason
        == "schedule nightly keeps 14 d and at least 3: this one is 15 d 0 h old"
    )
    assert found["d13.9"].reason == "in the recovery window of 14 d"
    assert found["d14"].reason == "restores the beginning of the recovery window of 14 d"


def test_the_end_of_a_window_is_known_where_a_newer_one_covers_its_beginning() -> None:
    found = verdicts([aged(days) for days in (0.5, 1, 2, 5, 13.9, 14)])
    assert found["d5"].until == NOW + 12 * DAY
    assert found["d14"].until == NOW + timedelta(days=0.1)
    # How long it restores the beginning depends on the next backup; these are among the newest.
    assert [found[label].until for label in ("d0.5", "d1", "d2")] == [None] * 3


def test_a_damaged_one_in_the_window_stays_beside_those_that_count() -> None:
    found = verdicts([aged(2, sound=False), aged(15), aged(16, sound=False), aged(20)])
    assert found["d2"].until == NOW + 12 * DAY
    assert "restores the beginning" in found["d15"].reason
    assert found["d16"].may_go


def test_the_newest_stay_however_old() -> None:
    links = [aged(days) for days in (20, 30, 40, 50)]
    assert gone(links) == {"d50"}
    assert verdicts(links)["d40"].reason == "one of the 3 newest"


def test_a_damaged_one_is_nothing_to_fall_back_to() -> None:
    links = [aged(20, sound=False), aged(30), aged(40), aged(50), aged(60)]
    assert gone(links) == {"d20", "d60"}


def test_what_people_keep_stays_and_a_hold_has_an_end() -> None:
    held = {"held": "held by anna: audit", "held_until": NOW + 30 * DAY}
    links = [*(aged(days) for days in (1, 2, 3, 20)), aged(80, **held), aged(90, pinned="pinned")]
    found = verdicts(links)
    assert (found["d80"].reason, found["d80"].until) == ("held by anna: audit", NOW + 30 * DAY)
    assert (found["d90"].reason, found["d90"].until) == ("pinned", None)


def chain(*days: float) -> list[KeptLink]:
    """A full backup and what is based on it, each on the one before."""
    links = [aged(day) for day in days]
    return [
        link if n == 0 else replace(link, full=False, base=links[n - 1].key)
        for n, link in enumerate(links)
    ]


def test_a_base_stays_as_long_as_what_needs_it() -> None:
    links = [aged(1), aged(2), aged(3), aged(14), *chain(30, 29, 13), *chain(28, 27)]
    assert gone(links) == {"d27", "d28"}
    found = verdicts(links)
    assert found["d29"].reason == "needed to restore d13"
    assert found["d30"].reason == "needed to restore d29"
    # As long as that, and no longer.
    assert found["d30"].until == found["d13"].until == NOW + 11 * DAY


def test_what_another_policy_keeps_needs_its_base_as_well() -> None:
    full, other = aged(20), aged(19, policy=2, full=False, base=200)
    links = [
        aged(1),
        aged(2),
        aged(3),
        full,
        other,
        aged(14),
        aged(0.5, policy=2),
        aged(1.5, policy=2),
    ]
    hourly = Policy("schedule hourly", 30 * DAY, 1, keep_proven=0)
    assert gone(links, TWO_WEEKS, hourly) == set()
    assert gone(links, TWO_WEEKS, replace(hourly, keep_for=DAY)) == {"d19", "d20"}


def test_a_link_without_its_base_is_no_restorable_one() -> None:
    orphan = aged(20, full=False, base=None)
    damaged = [aged(41, sound=False), aged(40, full=False, base=410)]
    assert gone([orphan, aged(30), *damaged, aged(50), aged(60), aged(70)]) == {
        "d20",
        "d40",
        "d41",
        "d70",
    }


def test_no_copy_is_the_base_of_one_without_a_base() -> None:
    """Not the one whose key is zero either."""
    at = datetime(2026, 3, 2, tzinfo=UTC)
    full = KeptLink(0, "full", 1, at)
    link = KeptLink(7, "link", 1, at, full=False, base=None)
    assert not Chains([full, link]).restorable(link)


def test_the_newest_chains_stay_whole() -> None:
    two = Policy("schedule weekly", None, 1, keep_chains=2, keep_proven=0)
    links = [*chain(3, 2, 1), *chain(10, 9, 8), *chain(17, 16, 15)]
    assert gone(links, two) == {"d15", "d16", "d17"}
    assert verdicts(links, two)["d9"].reasons[0] == "of one of the 2 newest chains"


def test_periods_keep_the_newest_of_each() -> None:
    policy = Policy("schedule nightly", None, 1, 0, PeriodCounts(daily=3, weekly=2), 0)
    links = [aged(days) for days in (0.1, 0.3, 1.3, 2.3, 3.3, 8.3)]
    assert gone(links, policy) == {"d0.3", "d3.3"}
    found = verdicts(links, policy)
    assert found["d0.1"].reasons[1:] == (
        "daily of 2026-03-29, one of 3",
        "weekly of 2026-W13, one of 2",
    )


@pytest.mark.parametrize("fault", ["the newest run is missed", "schedule nightly is paused"])
def test_a_fault_keeps_what_nothing_else_does(fault: str) -> None:
    links = [aged(days, blocked=fault) for days in (1, 2, 3, 14, 15)]
    found = verdicts(links)
    assert gone(links) == set()
    assert (found["d15"].reason, found["d15"].blocked) == (fault, True)
    assert not found["d14"].blocked


def test_a_fault_of_one_policy_keeps_what_its_backups_need() -> None:
    full, other = aged(40), aged(35, policy=2, full=False, base=400, blocked="it is paused")
    newer = [aged(day + policy / 10, policy=policy) for policy in (1, 2) for day in (1, 2, 3)]
    links = [*newer, aged(14, policy=2), aged(14.5), full, other]
    two = replace(TWO_WEEKS, owner="schedule other")
    assert gone(links, TWO_WEEKS, two) == set()
    assert verdicts(links, TWO_WEEKS, two)["d40"].reason == "needed to restore d35"
    healthy = [*links[:-1], replace(other, blocked="")]
    assert gone(healthy, TWO_WEEKS, two) == {"d35", "d40"}


def test_nothing_goes_before_so_many_are_proven() -> None:
    strict = replace(TWO_WEEKS, keep_proven=2)
    links = [aged(1), aged(2), aged(3), aged(14), aged(20), aged(30, passed=True)]
    why = "nothing is deleted while {} of the instance is proven restorable and present"
    assert verdicts(links, strict)["d20"].reason == why.format("1 of 2 backups")
    assert verdicts(links[:5], strict)["d20"].reason == why.format("no backup")
    proven = [replace(link, passed=link.label in ("d3", "d30")) for link in links]
    assert gone(proven, strict) == {"d20"}
    reason = "one of the newest proven backups, of which 2 must remain"
    assert verdicts(proven, strict)["d30"].reason == reason


def test_a_proof_of_what_can_no_longer_be_read_proves_nothing() -> None:
    strict = replace(TWO_WEEKS, keep_proven=1)
    links = [aged(1), aged(2), aged(3), aged(14), aged(20), aged(30, passed=True, sound=False)]
    assert gone(links, strict) == set()


def test_both_copies_of_a_backup_have_the_same_fate() -> None:
    links = [aged(1), aged(14), aged(20), replace(aged(20), key=2), replace(aged(1), key=1)]
    found = judge(links, {1: replace(TWO_WEEKS, keep_least=1)}, NOW)
    assert [found[key].may_go for key in (10, 1, 140, 200, 2)] == [False] * 3 + [True] * 2


def test_without_any_setting_everything_is_kept() -> None:
    policy = Policy("schedule nightly", None, 1)
    assert verdicts([aged(9000)], policy)["d9000"].reason == "schedule nightly keeps everything"


def test_a_partial_backup_never_stands_for_a_whole_one() -> None:
    policy = Policy("schedule nightly", DAY, 1, keep_proven=1)
    shop = "partial shop"
    links = [
        aged(2, choice=shop, passed=True),
        aged(3, choice=shop),
        aged(4, choice="partial other"),
        aged(5, passed=True),
        aged(6),
    ]
    found = verdicts(links, policy)
    # Of each choice the newest, and the newest of those that are whole.
    assert {label for label, verdict in found.items() if verdict.may_go} == {"d3", "d6"}
    assert "the newest" in found["d2"].reason
    assert "one of the newest proven backups" in found["d5"].reason
    assert "proven" not in found["d2"].reason
    only_partial = verdicts([aged(2, choice=shop, passed=True), aged(5, choice=shop)], policy)
    assert "no backup of the instance is proven" in only_partial["d5"].reason
