"""Which planned verifies and restore tests were not done, and what makes up for them?"""

from __future__ import annotations

import pytest

from alerts.facts.run import FailureFacts, LateFacts, MissedFacts, UnprovenFacts
from backups.models import BackupSchedule, Instance, Occurrence
from backups.states import JobStatus, OccurrenceStatus, Operation, WaitReason
from tests.alerts.fleet import T0, D, H, make_instance, make_job, make_occurrence, make_schedule
from tests.alerts.test_facts import fleet_facts

pytestmark = pytest.mark.django_db
S = OccurrenceStatus


@pytest.fixture
def orders() -> Instance:
    return make_instance()


@pytest.fixture
def tests(orders: Instance) -> BackupSchedule:
    return make_schedule("tests", orders, operation=Operation.RESTORE_TEST)


def test_what_was_not_done_counts_since_the_last_result(
    orders: Instance, tests: BackupSchedule
) -> None:
    for n, status in enumerate((S.REFUSED, S.REFUSED, S.SUCCEEDED, S.REFUSED)):
        make_occurrence(tests, orders, status, T0 - n * D)
    (facts,) = fleet_facts(UnprovenFacts)
    assert (facts.count, facts.due_at, facts.since) == (2, T0, T0 - D)
    assert (facts.missed, facts.operation) == (False, "restore_test")
    assert tests.pk in facts.subject.schedule_ids


@pytest.mark.parametrize("status", [S.SUCCEEDED, S.FAILED])
def test_a_later_result_makes_up_for_it(
    orders: Instance, tests: BackupSchedule, status: OccurrenceStatus
) -> None:
    make_occurrence(tests, orders, S.REFUSED, T0 - D)
    make_occurrence(tests, orders, status, T0)
    assert fleet_facts(UnprovenFacts) == []


def test_so_does_one_by_hand_and_disabling_the_schedule(
    orders: Instance, tests: BackupSchedule
) -> None:
    make_occurrence(tests, orders, S.MISSED, T0 - D)
    (facts,) = fleet_facts(UnprovenFacts)
    assert facts.missed
    make_job(orders, JobStatus.SUCCEEDED, T0, operation=Operation.VERIFY)
    assert len(fleet_facts(UnprovenFacts)) == 1, "a verify is no restore test"
    make_job(orders, JobStatus.SUCCEEDED, T0, operation=Operation.RESTORE_TEST)
    assert fleet_facts(UnprovenFacts) == []
    make_occurrence(tests, orders, S.MISSED, T0 + H)
    BackupSchedule.objects.update(enabled=False)
    assert fleet_facts(UnprovenFacts) == []


def test_what_follows_a_failed_backup_is_no_finding_of_its_own(
    orders: Instance, tests: BackupSchedule
) -> None:
    make_occurrence(tests, orders, S.MISSED, T0)
    Occurrence.objects.update(reason=WaitReason.PREDECESSOR)
    assert fleet_facts(UnprovenFacts) == []


def test_none_of_it_is_a_missed_late_or_failed_backup(
    orders: Instance, tests: BackupSchedule
) -> None:
    make_occurrence(tests, orders, S.MISSED, T0 - D)
    make_occurrence(tests, orders, S.DUE, T0 - D + H)
    lost = make_occurrence(tests, orders, S.REFUSED, T0 - D + 2 * H)
    make_job(orders, JobStatus.LOST, T0, operation=Operation.RESTORE_TEST, occurrence=lost)
    for about in (MissedFacts, LateFacts, FailureFacts):
        assert fleet_facts(about) == []
