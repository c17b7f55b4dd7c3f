"""What a tick verifies: what is new at once, and each chain as a whole once a week."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alerts.facts.run import BrokenEvidenceFacts
from backups.evidence_chain.due import FULL_EVERY, verify_due
from backups.models import BackupCopy, Evidence
from tests.alerts.test_facts import fleet_facts
from tests.backups.evidence_chain.chained import add_evidence, chain_of
from tests.monitor.rows import T0, make_backup, make_instance, make_repository

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


@pytest.fixture
def copy() -> BackupCopy:
    copy = make_backup(make_instance("orders-1"), make_repository())
    add_evidence(copy)
    return copy


def test_it_costs_what_is_new(copy: BackupCopy) -> None:
    # Its first verification is one of all of it.
    assert verify_due(T0) == 2
    assert verify_due(T0 + SECOND) == 0
    add_evidence(copy)
    assert verify_due(T0 + SECOND) == 1
    with CaptureQueriesContext(
        connection,
    ) as quiet:
        assert verify_due(T0 + SECOND) == 0
    assert len(quiet) == 2


def test_a_changed_old_row_is_found_within_a_week_and_is_an_alert(copy: BackupCopy) -> None:
    verify_due(T0)
    Evidence.objects.update(passed=False)
    verify_due(T0 + FULL_EVERY)
    assert fleet_facts(BrokenEvidenceFacts) == []
    verify_due(T0 + FULL_EVERY + SECOND)
    (facts,) = fleet_facts(BrokenEvidenceFacts)
    assert facts.fault == chain_of(copy).fault
    assert "was changed after it was recorded" in facts.fault
    assert facts.subject.name == "orders-1, evidence"
    # One that has a fault is not looked at again by each tick.
    assert verify_due(T0 + FULL_EVERY + 2 * SECOND) == 0


def test_a_clock_set_back_puts_nothing_off(copy: BackupCopy) -> None:
    verify_due(T0 + 30 * FULL_EVERY)
    assert verify_due(T0) == 1
