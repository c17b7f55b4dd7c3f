"""What do the facts of alerts make of partial backups? They stand for no other tables."""

from __future__ import annotations

import pytest

from alerts.facts.instance import InstanceFacts
from alerts.facts.run import FailureFacts, MissedFacts
from backups.states import JobStatus, OccurrenceStatus
from tests.alerts.fleet import (
    T0,
    D,
    H,
    make_backup,
    make_instance,
    make_job,
    make_occurrence,
    make_schedule,
)
from tests.alerts.test_facts import fleet_facts

pytestmark = pytest.mark.django_db

CHOICE = {"include": ["shop.*"]}


def test_a_schedule_of_partial_backups_covers_no_instance_and_meets_no_objective() -> None:
    orders = make_instance()
    make_schedule("shop", orders, kind="partial", cron="0 * * * *", options=CHOICE)
    (facts,) = fleet_facts(InstanceFacts)
    assert (facts.scheduled_kinds, facts.longest_pause) == (frozenset(), None)
    make_schedule("nightly", orders, cron="0 1 * * *")
    (facts,) = fleet_facts(InstanceFacts)
    assert (facts.scheduled_kinds, facts.longest_pause) == ({"full"}, D)


@pytest.mark.parametrize(("later", "found"), [("partial", True), ("full", False)])
def test_other_tables_do_not_make_up_for_a_missed_partial_run(later: str, found: bool) -> None:
    orders = make_instance()
    shop = make_schedule("shop", orders, kind="partial", options=CHOICE)
    make_occurrence(shop, orders, OccurrenceStatus.MISSED, T0 - D, kind="partial")
    make_backup(orders, T0 - H, kind=later)
    assert bool(fleet_facts(MissedFacts)) == found


@pytest.mark.parametrize(("tables", "found"), [("log.*", True), ("shop.*", False)])
def test_a_failed_partial_backup_counts_until_one_of_its_tables(tables: str, found: bool) -> None:
    orders = make_instance()
    for status, at, named in (
        (JobStatus.FAILED, T0 - 2 * H, "shop.*"),
        (JobStatus.SUCCEEDED, T0 - H, tables),
    ):
        chosen = {"include": [named], "exclude": []}
        make_job(orders, status, at, kind="partial", parameters=chosen)
    assert bool(fleet_facts(FailureFacts)) == found
