"""Does a silence match what it should, when it should?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alerts.models import Alert, Silence
from alerts.routing.silences import (
    Matcher,
    Traits,
    is_silenced,
    load_silences,
    silence_of,
    with_traits,
)
from alerts.states import Severity
from backups.models import InstanceGroup, Tag
from tests.alerts.fleet import T0, H, M, make_instance, make_schedule

S = timedelta(seconds=1)
ALWAYS = Matcher(1, "always", T0)
SHOP = Traits("job_failed", Severity.CRITICAL, 1, 2, frozenset({3}), frozenset({4}))


@pytest.mark.parametrize(
    ("matcher", "matches"),
    [
        ({}, True),
        ({"rule": "job_failed"}, True),
        ({"rule": "job_lost"}, False),
        ({"max_severity": Severity.CRITICAL}, True),
        ({"max_severity": Severity.WARNING}, False),
        ({"instance_ids": frozenset({1, 9})}, True),
        ({"instance_ids": frozenset({9})}, False),
        ({"schedule_ids": frozenset({2})}, True),
        ({"schedule_ids": frozenset({9})}, False),
        ({"group_ids": frozenset({3, 9})}, True),
        ({"group_ids": frozenset({9})}, False),
        ({"tag_ids": frozenset({4})}, True),
        ({"tag_ids": frozenset({9})}, False),
        ({"group_ids": frozenset({3}), "tag_ids": frozenset({9})}, False),
    ],
)
def test_every_matcher_that_is_not_empty_has_to_fit(
    matcher: dict[str, object], matches: bool
) -> None:
    assert replace(ALWAYS, **matcher).matches(SHOP) is matches  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at", "holds"), [(T0 - S, False), (T0, True), (T0 + H - S, True), (T0 + H, False)]
)
def test_it_holds_from_its_start_until_its_end(at: datetime, holds: bool) -> None:
    assert replace(ALWAYS, ends_at=T0 + H).is_active_at(at) is holds


def nightly(zone: str) -> Matcher:
    return Matcher(
        1, "nightly", datetime(2026, 1, 1, tzinfo=UTC), cron="0 2 * * *", time_zone=zone,
        duration=timedelta(hours=1),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "at", "holds"),
    [
        ("UTC", "2026-03-02T01:59:59.999999", False),
        ("UTC", "2026-03-02T02:00:00", True),
        ("UTC", "2026-03-02T02:59:59.999999", True),
        ("UTC", "2026-03-02T03:00:00", False),
        ("Europe/Berlin", "2026-03-02T01:00:00", True),
        ("Europe/Berlin", "2026-03-02T02:00:00", False),
        ("Europe/Berlin", "2026-07-02T00:00:00", True),
        ("Europe/Berlin", "2026-07-02T01:00:00", False),
        ("America/New_York", "2026-07-02T06:30:00", True),
        ("Nowhere/Else", "2026-03-02T02:00:00", False),
    ],
)
def test_a_recurring_one_holds_after_each_of_its_moments(zone: str, at: str, holds: bool) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert nightly(zone).is_active_at(moment) is holds


def test_a_recurring_one_is_over_when_its_time_is() -> None:
    over = replace(nightly("UTC"), ends_at=datetime(2026, 3, 2, 2, 30, tzinfo=UTC))
    assert over.is_active_at(datetime(2026, 3, 2, 2, 29, tzinfo=UTC))
    assert not over.is_active_at(datetime(2026, 3, 2, 2, 30, tzinfo=UTC))


def test_one_that_lasts_beyond_all_dates_silences_nothing_and_breaks_nothing() -> None:
    endless = replace(nightly("UTC"), duration=timedelta(days=800_000))
    assert not endless.is_active_at(datetime(2026, 3, 2, 2, 30, tzinfo=UTC))


@pytest.mark.parametrize("days", [-1, 0, 36_501])
def test_an_invalid_length_is_refused(days: int) -> None:
    silence = Silence(comment="x", cron="0 2 * * *", duration=timedelta(days=days))
    with pytest.raises(ValidationError, match="at most 100 years"):
        silence.clean()


def make_alert(name: str) -> Alert:
    instance = make_instance(name)
    return Alert.objects.create(
        rule="job_failed", subject=f"instance:{instance.pk}", instance=instance, severity=30,
        open_key=name, opened_at=T0, fires_at=T0, last_found_at=T0,
    )  # fmt: skip


@pytest.mark.django_db
def test_rows_are_matched_by_groups_and_tags_of_the_instance() -> None:
    shop, blog = make_alert("shop"), make_alert("blog")
    eu, test = InstanceGroup.objects.create(name="eu"), Tag.objects.create(name="test")
    assert shop.instance is not None
    shop.instance.groups.add(eu)
    shop.instance.tags.add(test)
    silence = Silence.objects.create(comment="moving", starts_at=T0, ends_at=T0 + H)
    silence.groups.add(eu)
    silence.tags.add(test)
    silences = load_silences(T0 + M)
    assert is_silenced(shop, silences, T0 + M)
    assert not is_silenced(blog, silences, T0 + M)
    assert load_silences(T0 + H) == load_silences(T0 - M) == []


@pytest.mark.django_db
def test_many_are_read_in_as_many_queries_as_few() -> None:
    counts = []
    for round_ in range(2):
        for n in range(3):
            make_alert(f"shop-{round_}-{n}")
            silence = Silence.objects.create(comment="x", starts_at=T0, rule="job_lost")
            silence.schedules.add(make_schedule(f"s-{round_}-{n}"))
        with CaptureQueriesContext(connection) as queries:
            silences = load_silences(T0)
            for alert in with_traits(Alert.objects.all()):
                assert silence_of(alert, silences, T0) is None
        counts.append(len(queries))
    assert counts[0] == counts[1]
