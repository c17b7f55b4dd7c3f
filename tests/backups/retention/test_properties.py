"""Whatever the backups and the settings are, what must not happen does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from backups.retention.links import Chains, KeptLink
from backups.retention.periods import PeriodCounts
from backups.retention.policy import Policy
from backups.retention.rules import RetentionVerdict, judge

NOW = datetime(2026, 3, 30, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
small = st.integers(0, 4)


@st.composite
def histories(draw: st.DrawFn) -> list[KeptLink]:
    """Backups of one instance in two repositories: fulls, and what is based on any earlier one."""
    links: list[KeptLink] = []
    ages = draw(st.lists(st.integers(0, 1500), unique=True, max_size=14))
    for number, age in enumerate(sorted(ages, reverse=True)):
        base = draw(st.sampled_from([None, *(link for link in links if link.key % 2 == 0)]))
        for place in (0, 1)[: draw(st.integers(1, 2))]:
            # A copy whose base has no copy beside it cannot be restored.
            beside = {link.label: link.key for link in links if link.key % 2 == place}
            links.append(
                KeptLink(
                    number * 2 + place,
                    f"b{number}",
                    draw(st.integers(1, 2)),
                    NOW - age * HOUR,
                    full=base is None,
                    base=beside.get(base.label) if base else None,
                    sound=draw(st.integers(0, 9)) > 0,
                    passed=draw(st.booleans()),
                    pinned=draw(st.sampled_from(["", "", "", "", "pinned"])),
                    held=draw(st.sampled_from(["", "", "", "", "held by anna"])),
                    held_until=NOW + HOUR,
                    blocked=draw(st.sampled_from(["", "", "", "its schedule is paused"])),
                )
            )
    return links


@st.composite
def policies(draw: st.DrawFn) -> dict[int, Policy]:
    return {
        key: Policy(
            f"schedule {key}",
            draw(st.none() | st.integers(0, 900).map(lambda hours: hours * HOUR)),
            draw(st.integers(1, 4)),
            draw(small),
            PeriodCounts(draw(small), draw(small), draw(small), draw(small), draw(small)),
            draw(st.integers(0, 3)),
            draw(st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu"])),
        )
        for key in (1, 2)
    }


def kept(links: list[KeptLink], found: dict[int, RetentionVerdict]) -> list[KeptLink]:
    return [link for link in links if not found[link.key].may_go]


@given(histories(), policies())
def test_every_copy_gets_a_verdict_with_a_reason(
    links: list[KeptLink], known: dict[int, Policy]
) -> None:
    found = judge(links, known, NOW)
    assert set(found) == {link.key for link in links}
    assert all(verdict.reason for verdict in found.values())


@given(histories(), policies())
def test_what_is_kept_is_kept_with_all_that_it_needs(
    links: list[KeptLink], known: dict[int, Policy]
) -> None:
    chains = Chains(links)
    remaining = kept(links, judge(links, known, NOW))
    keys = {link.key for link in remaining}
    assert all(needed.key in keys for link in remaining for needed in chains.with_needed(link))


@given(histories(), policies())
def test_what_can_be_restored_and_is_proven_remains(
    links: list[KeptLink], known: dict[int, Policy]
) -> None:
    """Either so many are left, or nothing has gone."""
    remaining = kept(links, judge(links, known, NOW))
    # Judged again, of what would be left.
    chains = Chains(remaining)
    proven = {link.label for link in remaining if chains.proven(link)}
    owners = {link.policy for link in links}
    needed = max(
        (known[key].keep_proven for key in owners if not known[key].keeps_everything), default=0
    )
    assert len(proven) >= needed or remaining == links


@given(histories(), policies())
def test_people_and_faults_keep_what_they_name(
    links: list[KeptLink], known: dict[int, Policy]
) -> None:
    found = judge(links, known, NOW)
    assert not any(
        found[link.key].may_go for link in links if link.pinned or link.held or link.blocked
    )


@given(histories(), policies(), st.integers(0, 8), st.integers(1, 3))
def test_a_policy_that_keeps_more_deletes_no_more(
    links: list[KeptLink], known: dict[int, Policy], which: int, more: int
) -> None:
    one = known[1]
    if one.keeps_everything:
        return
    counts = one.periods.counts()
    names = list(counts)
    wider = [
        *(
            replace(one, periods=PeriodCounts(**{**counts, name: counts[name] + more}))
            for name in names
        ),
        replace(one, keep_least=one.keep_least + more),
        replace(one, keep_chains=one.keep_chains + more),
        replace(one, keep_proven=one.keep_proven + more),
        replace(one, keep_for=(one.keep_for or timedelta(0)) + more * 50 * HOUR),
    ][which]
    before, after = judge(links, known, NOW), judge(links, {**known, 1: wider}, NOW)
    assert {key for key in after if after[key].may_go} <= {
        key for key in before if before[key].may_go
    }


@given(histories(), policies())
def test_deleting_what_may_go_changes_no_other_verdict(
    links: list[KeptLink], known: dict[int, Policy]
) -> None:
    remaining = kept(links, judge(links, known, NOW))
    assert kept(remaining, judge(remaining, known, NOW)) == remaining


@given(histories(), policies())
def test_no_backup_is_kept_beyond_a_date_that_is_stated(
    links: list[KeptLink], known: dict[int, Policy]
) -> None:
    """Of one that has an end, and with no faults: after it, nothing keeps it."""
    links = [replace(link, blocked="") for link in links]
    found = judge(links, known, NOW)
    for link in links:
        until = found[link.key].until
        if until is not None and not any(verdict.keep_proven for verdict in known.values()):
            later = [
                replace(
                    each, held="" if each.held_until and each.held_until <= until else each.held
                )
                for each in links
            ]
            assert judge(later, known, until)[link.key].may_go
