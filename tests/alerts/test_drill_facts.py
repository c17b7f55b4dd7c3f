"""Is a drill that failed found, and nothing held against its backup?"""

from __future__ import annotations

import pytest

from alerts.facts.instance import InstanceFacts
from alerts.facts.run import DrillFacts, EvidenceFacts, FailureFacts
from backups.models import BackupCopy, BinlogArchive, Drill, Evidence, Job
from backups.parameters import RestoreTestParameters
from backups.states import JobStatus, Operation
from tests.alerts.fleet import T0, H, make_backup, make_instance, make_job, make_repository
from tests.alerts.test_facts import fleet_facts

pytestmark = pytest.mark.django_db


def drilled(*, passed: bool, backup_passed: bool = True) -> Job:
    copy = BackupCopy.objects.select_related("backup__instance").get()
    status = JobStatus.SUCCEEDED if passed else JobStatus.FAILED
    asked = RestoreTestParameters(point="random", until=T0.isoformat()).write()
    orders = copy.backup.instance
    job = make_job(orders, status, T0, operation=Operation.RESTORE_TEST, parameters=asked)
    if backup_passed:
        Evidence.objects.create(copy=copy, job=job, operation="restore_test", passed=True)
    Drill.objects.create(
        instance=orders, copy=copy, job=job, point="random", moment=T0, range_from=T0 - H,
        range_to=T0, passed=passed, failed_stage="" if passed else "replay",
        error="" if passed else "a table is missing",
    )  # fmt: skip
    return job


def test_the_newest_that_failed_is_one_until_another_passes() -> None:
    orders = make_instance()
    make_backup(orders, T0 - H, make_repository())
    BinlogArchive.objects.create(instance=orders, server_id=7)
    job = drilled(passed=False)
    # It has a rule of its own, and nothing is wrong with the backup.
    assert fleet_facts(FailureFacts) == fleet_facts(EvidenceFacts) == []
    (facts,) = fleet_facts(DrillFacts)
    assert (facts.failed_stage, facts.error) == ("replay", "a table is missing")
    assert (facts.backup_passed, facts.subject.job_id) == (True, job.pk)
    (instance,) = fleet_facts(InstanceFacts)
    assert instance.restore_tested_at == T0

    BinlogArchive.objects.update(enabled=False)
    assert fleet_facts(DrillFacts) == []
    BinlogArchive.objects.update(enabled=True)
    drilled(passed=True)
    assert fleet_facts(DrillFacts) == []


def test_one_that_came_to_no_result_after_its_backup_passed_is_a_failed_job() -> None:
    make_backup(make_instance(), T0 - H, make_repository())
    drilled(passed=False)
    Drill.objects.all().delete()
    assert [facts.operation for facts in fleet_facts(FailureFacts)] == ["restore_test"]
