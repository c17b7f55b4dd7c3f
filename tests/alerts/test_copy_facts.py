"""Is a copy that is missing found, once for each repository, until it is made or given up?"""

from __future__ import annotations

import pytest

from alerts.facts import Facts, load_fleet_facts
from alerts.facts.instance import BackupFacts
from alerts.facts.run import MissingCopyFacts, SuccessFacts
from alerts.rules import RULES, Finding, Limits
from backups.models import Backup, BackupCopy, Job, WantedCopy
from backups.models.wanted_copy import WantCause
from backups.states import CopyStatus, JobStatus
from backups.transitions.wanted_copies import copy_made, drop_wanted, want_copy
from tests.alerts.fleet import T0, H, make_backup, make_instance, make_job, make_repository
from tests.alerts.test_facts import fleet_facts

pytestmark = pytest.mark.django_db


@pytest.fixture
def wanted() -> WantedCopy:
    """Of two backups that should be in two repositories, one was not even tried there."""
    orders = make_instance()
    main, offsite = make_repository(), make_repository("offsite")
    make_backup(orders, T0 - 2 * H, main)
    make_backup(orders, T0 - H, main)
    old, new = Backup.objects.order_by("ended_at")
    want_copy(new, offsite, WantCause.NO_CHAIN)
    return want_copy(old, offsite, WantCause.FAILED, error="the disk is full", hint="Free space.")


def asked(facts: Facts, name: str = "copy_missing") -> Finding:
    rule = RULES[name]
    found: Finding | None = rule.check(facts, Limits(rule.defaults(), rule.units()))
    assert found is not None
    return found


def test_one_finding_for_each_repository(wanted: WantedCopy) -> None:
    (facts,) = fleet_facts(MissingCopyFacts)
    assert (facts.repository, facts.count, facts.error) == ("offsite", 2, "the disk is full")
    assert facts.label == wanted.backup.label
    assert facts.subject.cause == f"repository:{wanted.repository_id}"
    finding = asked(facts)
    assert finding.message.startswith("2 backups without a copy in offsite, the oldest for ")
    assert finding.message.endswith(f"; {wanted.backup.label}: the disk is full")
    assert finding.hint == "Free space."


def test_it_ends_when_the_copy_is_made_or_given_up(wanted: WantedCopy) -> None:
    drop_wanted(wanted, "the old site is closed")
    (facts,) = fleet_facts(MissingCopyFacts)
    assert (facts.count, facts.error) == (1, "")
    other = WantedCopy.objects.get(dropped_at=None)
    copy_made(other.backup, other.repository)
    assert fleet_facts(MissingCopyFacts) == []


def test_it_ends_when_no_copy_is_left_to_make_it_of(wanted: WantedCopy) -> None:
    BackupCopy.objects.update(**{"status": CopyStatus.PURGED})
    assert fleet_facts(MissingCopyFacts) == []


def test_a_missing_copy_has_one_rule(wanted: WantedCopy) -> None:
    job = make_job(wanted.backup.instance, JobStatus.SUCCEEDED, T0)
    newest = Backup.objects.latest("ended_at")
    Backup.objects.filter(pk=newest.pk).update(made_by=job)
    job.repositories.set([newest.copies.get().repository, wanted.repository])
    (facts,) = fleet_facts(BackupFacts)
    assert (facts.wanted_copies, facts.stored_copies) == (1, 1)


def test_a_notification_of_success_names_what_went_wrong() -> None:
    orders = make_instance()
    job = make_job(orders, JobStatus.SUCCEEDED, T0)
    Job.objects.update(problems="copy in offsite failed: the disk is full")
    found = load_fleet_facts([orders.pk], T0, ended_jobs=[job.pk])
    (facts,) = [each for each in found if isinstance(each, SuccessFacts)]
    finding = asked(facts, "backup_succeeded")
    assert "succeeded with problems in" in finding.message
    assert finding.message.endswith("; copy in offsite failed: the disk is full")
