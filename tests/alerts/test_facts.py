"""Are the facts read right, and in as many queries for two hundred instances as for twenty?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from alerts.evaluation.evaluate import evaluate_all
from alerts.facts import load_fleet_facts, load_site_facts
from alerts.facts.chain import ChainFacts, Fallback, LinkShare
from alerts.facts.instance import BackupFacts, InstanceFacts
from alerts.facts.run import ActiveJobFacts, EvidenceFacts, FailureFacts, MissedFacts, UnfitFacts
from alerts.facts.site import (
    CopyFaultFacts,
    KeyFacts,
    PeriodicTaskFacts,
    QueueFacts,
    RepositoryFacts,
)
from alerts.facts.subject import Facts
from backups.models import (
    Backup,
    BackupAncestor,
    BackupCopy,
    BackupSchedule,
    Evidence,
    Instance,
    InstanceGroup,
    Job,
    Repository,
    RepositorySpace,
    Tag,
    TickHeartbeat,
    WorkerHeartbeat,
)
from backups.parameters import PurgeParameters
from backups.states import CopyStatus, JobStatus, OccurrenceStatus, Operation
from tests.alerts.fleet import (
    GIB,
    T0,
    D,
    H,
    M,
    make_backup,
    make_instance,
    make_job,
    make_occurrence,
    make_repository,
    make_schedule,
)

pytestmark = pytest.mark.django_db


# Any: each sort of facts has fields of its own.
def of(sort: type[Facts], facts: list[Facts]) -> list[Any]:
    return [fact for fact in facts if type(fact) is sort]


def fleet_facts(sort: type[Facts], at: datetime = T0) -> list[Any]:
    ids = list(Instance.objects.order_by("id").values_list("id", flat=True))
    return of(sort, load_fleet_facts(ids, at))


def site_facts(sort: type[Facts]) -> list[Any]:
    return of(sort, load_site_facts(T0))


def test_a_disabled_instance_has_no_facts() -> None:
    make_instance(enabled=False)
    assert fleet_facts(InstanceFacts) == []


def test_an_instance_is_covered_by_name_group_tag_or_everywhere() -> None:
    for name in ("named", "grouped", "tagged", "left-out"):
        make_instance(name)
    eu, prod = InstanceGroup.objects.create(name="eu"), Tag.objects.create(name="prod")
    Instance.objects.get(name="grouped").groups.add(eu)
    Instance.objects.get(name="tagged").tags.add(prod)
    make_schedule("by-name", Instance.objects.get(name="named"))
    make_schedule("by-group").groups.add(eu)
    make_schedule("by-tag", kind="incremental").tags.add(prod)
    make_schedule("off", covers_all=True, enabled=False)
    kinds = [set(facts.scheduled_kinds) for facts in fleet_facts(InstanceFacts)]
    assert kinds == [{"full"}, {"full"}, {"incremental"}, set()]

    make_schedule("everywhere", covers_all=True, kind="differential")
    assert all("differential" in facts.scheduled_kinds for facts in fleet_facts(InstanceFacts))


def test_the_newest_backup_is_compared_with_twenty_before_it() -> None:
    orders, main, other = make_instance(), make_repository(), make_repository("other")
    for n in range(30):
        make_backup(orders, T0 - n * D, main, other, raw_bytes=(100 + n) * GIB, took=(20 + n) * M)
    make_backup(orders, T0 - 40 * D, kind="incremental")
    incremental, full = sorted(fleet_facts(BackupFacts), key=lambda facts: -len(facts.kind))
    assert (full.backup.raw_bytes, full.wanted_copies, full.stored_copies) == (100 * GIB, 2, 2)
    assert (full.usual_bytes.count, full.usual_bytes.median) == (20, 110.5 * GIB)
    assert full.usual_seconds.median == (30.5 * M).total_seconds()
    assert incremental.usual_bytes is None
    (facts,) = fleet_facts(InstanceFacts)
    assert facts.last_success == {"full": T0, "incremental": T0 - 40 * D}


def make_chain(count: int, stored: int = GIB) -> list[Backup]:
    """Create a full backup of 2 GiB a day ago, and the links that go on from it."""
    orders = make_instance()
    full = make_backup(orders, T0 - D, stored_bytes=2 * GIB)
    chain = [full]
    for number in range(1, count + 1):
        link = make_backup(orders, T0 - D + number * H, kind="incremental", stored_bytes=stored)
        for position, needed in enumerate(chain):
            BackupAncestor.objects.create(backup=link, ancestor=needed, position=position)
        chain.append(link)
    return chain


def test_the_chain_of_the_newest_backup(settings: Settings) -> None:
    settings.MOST_LINKS = 5
    chain = make_chain(3)
    make_schedule("rhythm", Instance.objects.get(), kind="incremental", full_cron="0 1 * * 0")
    (facts,) = fleet_facts(ChainFacts)
    assert (facts.label, facts.links, facts.most_links) == (chain[-1].label, 3, 5)
    labels = [link.label for link in reversed(chain[1:])]
    assert facts.shares == tuple(LinkShare(label, 0.5) for label in labels)
    assert (facts.plans_fulls, facts.plans_links, facts.fallback) == (True, True, None)

    make_backup(Instance.objects.get(), T0)
    BackupSchedule.objects.update(kind="auto", full_cron="")
    (facts,) = fleet_facts(ChainFacts)
    assert (facts.links, facts.shares) == (0, ())
    assert (facts.plans_fulls, facts.plans_links) == (False, True)


def test_a_full_backup_that_was_planned_as_another_kind() -> None:
    newest = make_chain(2)[-1]
    full = make_backup(newest.instance, T0)
    columns = {"kind_cause": "base_unusable", "kind_reason": "it is damaged"}
    job = Job.objects.get(product=full)
    Job.objects.filter(pk=job.pk).update(requested_kind="incremental", **columns)
    (facts,) = fleet_facts(ChainFacts)
    assert facts.fallback == Fallback(job.pk, T0, "incremental", "base_unusable", "it is damaged")
    make_backup(newest.instance, T0 + H, kind="incremental")
    (facts,) = fleet_facts(ChainFacts)
    assert facts.fallback is None


def test_the_first_backup_of_an_instance_is_a_full_one() -> None:
    full = make_backup(make_instance(), T0)
    Job.objects.filter(product=full).update(requested_kind="incremental", kind_cause="no_base")
    (facts,) = fleet_facts(ChainFacts)
    assert facts.fallback.first


@pytest.mark.parametrize(
    ("missed", "later", "found"),
    [
        ("full", "full", False),
        ("full", "incremental", True),
        ("incremental", "incremental", False),
        ("incremental", "full", False),
        ("auto", "incremental", False),
    ],
)
@pytest.mark.parametrize("planned", [True, False])
def test_what_makes_up_for_a_missed_run(
    missed: str, later: str, found: bool, planned: bool
) -> None:
    orders = make_instance()
    rhythm = make_schedule("rhythm", orders, kind="incremental", full_cron="0 1 * * 0")
    make_occurrence(rhythm, orders, OccurrenceStatus.MISSED, T0 - D, kind=missed)
    backup = make_backup(orders, T0 - H, kind=later)
    if planned:
        make_occurrence(
            rhythm, orders, OccurrenceStatus.SUCCEEDED, T0 - 2 * H, kind=later, job=backup.made_by
        )
    assert bool(fleet_facts(MissedFacts)) == found


def test_a_run_that_will_not_fit_its_window() -> None:
    orders, crm = make_instance(), make_instance("crm")
    make_schedule("nightly", orders, crm, window=4 * H, when_unfit="skip")
    for night in range(1, 4):
        for instance, length in ((orders, 5 * H), (crm, H)):
            make_backup(instance, T0 - night * D, took=length)
    (facts,) = fleet_facts(UnfitFacts)
    assert facts.subject.instance_id == orders.pk
    assert (facts.schedule, facts.withheld) == ("nightly", True)
    assert facts.reason == "expected 5 h, window 4 h, from the last 3 runs"


def test_a_purged_copy_is_not_stored() -> None:
    make_backup(make_instance(), T0, make_repository(), make_repository("other"))
    BackupCopy.objects.filter(repository__name="other").update(status=CopyStatus.PURGED)
    (facts,) = fleet_facts(BackupFacts)
    assert (facts.wanted_copies, facts.stored_copies) == (2, 1)


def test_a_failure_counts_until_a_success_of_its_sort_or_a_full() -> None:
    orders = make_instance()
    make_job(orders, JobStatus.FAILED, T0 - 3 * H, kind="incremental")
    make_job(orders, JobStatus.FAILED, T0 - 2 * H, kind="incremental")
    make_job(orders, JobStatus.FAILED, T0 - 2 * H, operation=Operation.PURGE)
    (incremental, purge) = sorted(fleet_facts(FailureFacts), key=lambda facts: facts.operation)
    assert (incremental.operation, incremental.count) == ("backup", 2)
    assert purge.subject.key == f"instance:{orders.pk}/purge-full"

    make_backup(orders, T0 - H)
    assert [facts.operation for facts in fleet_facts(FailureFacts)] == ["purge"]


@pytest.mark.parametrize("operation", list(Operation))
def test_what_a_person_requested_and_was_refused_is_no_failure(operation: Operation) -> None:
    make_job(make_instance(), JobStatus.REFUSED, T0, operation=operation)
    assert fleet_facts(FailureFacts) == []


def test_what_a_schedule_requested_and_was_refused_is_one() -> None:
    orders = make_instance()
    nightly = make_schedule("nightly", orders)
    planned = make_occurrence(nightly, orders, OccurrenceStatus.REFUSED)
    make_job(orders, JobStatus.REFUSED, T0, occurrence=planned)
    # As retention writes it.
    expired = PurgeParameters("older than 30 d", retention=True).write()
    make_job(orders, JobStatus.REFUSED, T0, operation=Operation.PURGE, parameters=expired)
    # What was not done has facts of its own, and says nothing of a copy.
    tests = make_schedule("tests", orders, operation=Operation.RESTORE_TEST)
    test = make_occurrence(tests, orders, OccurrenceStatus.REFUSED)
    make_job(orders, JobStatus.REFUSED, T0, operation=Operation.RESTORE_TEST, occurrence=test)
    found = {facts.operation: facts.status for facts in fleet_facts(FailureFacts)}
    assert found == {"backup": "refused", "purge": "refused"}


def test_a_refusal_that_a_person_read_hides_no_failure() -> None:
    orders = make_instance()
    make_job(orders, JobStatus.FAILED, T0 - H)
    make_job(orders, JobStatus.REFUSED, T0)
    (facts,) = fleet_facts(FailureFacts)
    assert (facts.status, facts.count) == ("failed", 1)


def test_a_test_that_left_evidence_is_no_failed_job() -> None:
    backup = make_backup(make_instance(), T0 - H, make_repository())
    job = make_job(backup.instance, JobStatus.FAILED, T0, operation=Operation.VERIFY)
    copy = backup.copies.get()
    Evidence.objects.create(
        copy=copy, job=job, operation="verify", passed=False, report={"error": "pack 3"}
    )
    assert fleet_facts(FailureFacts) == []
    (facts,) = fleet_facts(EvidenceFacts)
    assert (facts.error, facts.subject.key) == ("pack 3", f"copy:{copy.pk}/verify")

    Evidence.objects.create(copy=copy, operation="restore_test", passed=True)
    assert len(fleet_facts(EvidenceFacts)) == 1
    Evidence.objects.create(copy=copy, operation="verify", passed=True)
    assert fleet_facts(EvidenceFacts) == []


def test_a_running_job_is_expected_to_take_as_long_as_its_schedule_says_or_as_before() -> None:
    orders = make_instance()
    schedule = make_schedule("nightly", orders, expected_duration=3 * H)
    for n in range(5):
        make_backup(orders, T0 - (n + 1) * D, took=(20 + n) * M)
    job = make_job(orders, JobStatus.RUNNING, T0)
    (facts,) = fleet_facts(ActiveJobFacts)
    assert (facts.expected, facts.estimated) == (25 * M, True)

    occurrence = make_occurrence(schedule, orders, OccurrenceStatus.RUNNING)
    Job.objects.filter(pk=job.pk).update(occurrence=occurrence)
    (facts,) = fleet_facts(ActiveJobFacts)
    assert (facts.expected, facts.estimated) == (3 * H, False)
    assert facts.window_closes_at == T0 + 4 * H


def test_missed_runs_of_a_schedule_are_counted_and_those_of_a_disabled_one_are_not() -> None:
    orders = make_instance()
    schedule = make_schedule("nightly", orders)
    for n in range(3):
        make_occurrence(schedule, orders, OccurrenceStatus.MISSED, T0 - n * D)
    (facts,) = fleet_facts(MissedFacts, T0 + D)
    assert (facts.count, facts.due_at) == (3, T0)
    type(schedule).objects.update(enabled=False)
    assert fleet_facts(MissedFacts, T0 + D) == []


def test_a_repository_is_as_it_was_measured_last_and_full_by_its_trend() -> None:
    main = make_repository()
    make_repository("unused", enabled=False)
    for day in range(4):
        RepositorySpace.objects.create(
            repository=main, measured_at=T0 - day * D, free_bytes=(10 + day) * GIB,
            total_bytes=100 * GIB,
        )  # fmt: skip
    (facts,) = site_facts(RepositoryFacts)
    assert facts.free_bytes == 10 * GIB
    assert abs(facts.full_at - (T0 + 10 * D)) < M


def test_keys_that_do_not_open_are_one_subject_each() -> None:
    main = make_repository()
    for n in range(3):
        make_backup(make_instance(f"shop-{n}"), T0, main, key_id="k1" if n else "k0")
    BackupCopy.objects.update(key_fault="no key k1 at hand")
    assert sorted((facts.key_id, facts.copies) for facts in site_facts(KeyFacts)) == [
        ("k0", 1),
        ("k1", 2),
    ]


def test_faulty_copies_are_one_subject_per_repository_and_fault() -> None:
    main = make_repository()
    copies = [make_backup(make_instance(f"shop-{n}"), T0, main) for n in range(3)]
    BackupCopy.objects.filter(backup__in=copies[1:]).update(fault="missing", fault_detail="gone")
    BackupCopy.objects.filter(backup=copies[0]).update(fault="changed")
    assert [(facts.fault, facts.copies) for facts in site_facts(CopyFaultFacts)] == [
        ("changed", 1),
        ("missing", 2),
    ]


def test_a_repository_that_cannot_be_used_says_why() -> None:
    make_repository()
    Repository.objects.update(fault="holds another repository")
    (facts,) = site_facts(RepositoryFacts)
    assert facts.error == "holds another repository"


def test_queues_know_their_waiting_jobs_and_their_workers() -> None:
    make_job(make_instance(), JobStatus.PENDING, T0)
    WorkerHeartbeat.objects.create(name="a", queues=",transfer,", started_at=T0, seen_at=T0 - M)
    WorkerHeartbeat.objects.create(
        name="b", queues=",copy,", started_at=T0, seen_at=T0 - timedelta(seconds=91)
    )
    copy, transfer = site_facts(QueueFacts)
    assert (copy.waiting, copy.workers, copy.waiting_since) == (1, 0, T0 - 20 * M)
    assert (transfer.waiting, transfer.workers) == (0, 1)


def test_periodic_tasks_are_facts_while_they_are_scheduled() -> None:
    for name in ("evaluate all", "probe instances", "no longer scheduled"):
        TickHeartbeat.objects.create(name=name, started_at=T0)
    found = {facts.subject.name: facts.every for facts in site_facts(PeriodicTaskFacts)}
    seconds = timedelta(seconds=10)
    assert found == {"task evaluate all": 5 * M, "task probe instances": seconds}


def grow(first: int, count: int) -> None:
    """Add instances with something of everything."""
    main = make_repository(f"main-{first}")
    group = InstanceGroup.objects.create(name=f"group-{first}")
    schedule = make_schedule(f"nightly-{first}")
    schedule.groups.add(group)
    for n in range(first, first + count):
        instance = make_instance(f"shard-{n}")
        instance.groups.add(group)
        backup = make_backup(instance, T0 - 9 * D, main)
        make_job(instance, JobStatus.FAILED, T0 - H, error="/srv/main")
        make_job(instance, JobStatus.RUNNING, T0)
        make_occurrence(schedule, instance, OccurrenceStatus.MISSED, T0 - D, reason="repository")
        make_occurrence(schedule, instance, OccurrenceStatus.DUE, T0 - H)
        Evidence.objects.create(copy=backup.copies.get(), operation="verify", passed=False)


def test_two_hundred_instances_cost_as_many_queries_as_twenty() -> None:
    counts = []
    for first, count in ((0, 20), (20, 180)):
        grow(first, count)
        with CaptureQueriesContext(connection) as queries:
            ids = list(Instance.objects.values_list("id", flat=True))
            facts = load_fleet_facts(ids, T0)
        assert len(of(FailureFacts, facts)) == first + count
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 33


def test_a_sweep_that_finds_nothing_new_writes_little() -> None:
    grow(0, 20)
    evaluate_all(T0)
    with CaptureQueriesContext(connection) as queries:
        evaluate_all(T0)
    assert len(queries) < 70
