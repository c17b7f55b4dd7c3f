"""Which kind does a job take, and which reason for it does it keep?"""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from backups.exceptions import BadInput
from backups.jobs.repeat import rerun
from backups.jobs.request import create_backup_job
from backups.models import Backup, Instance, Job
from backups.states import JobStatus
from tests.backups.chains.test_chain_jobs import remove
from tests.backups.taking import run_here

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("main", "engine")]


def take(instance: Instance, kind: str) -> Job:
    return run_here(create_backup_job(instance, kind=kind, wake=False))


def test_whichever_is_due_is_taken_and_the_job_has_the_reason(
    orders: Instance, settings: Settings
) -> None:
    first, second = take(orders, "auto"), take(orders, "auto")
    assert (first.kind, first.kind_cause) == ("full", "no_base")
    assert first.kind_reason == "there is no stored backup to go on from"
    assert (second.kind, second.kind_cause) == ("incremental", "incremental_due")
    assert second.kind_reason == f"changes since {first.label}, the newest backup"
    assert {first.requested_kind, second.requested_kind} == {"auto"}
    settings.AUTO_FULL_DAYS = 0
    third = take(orders, "auto")
    assert (third.kind, third.kind_cause) == ("full", "full_old")
    assert third.stages.get(name="choose base").detail == f"full: {third.kind_reason}"


def test_increments_as_large_as_fulls_end_the_chain(orders: Instance) -> None:
    for kind in ("full", "incremental", "incremental"):
        take(orders, kind)
    Backup.objects.filter(kind="full").update(stored_bytes=1000)
    Backup.objects.filter(kind="incremental").update(stored_bytes=600)
    job = take(orders, "auto")
    assert (job.kind, job.kind_cause) == ("full", "increments_large")
    assert job.kind_reason == "the newest increments stored 60 % and 60 % of their full backup"


def test_a_fallback_to_a_full_is_kept_with_its_reason(orders: Instance) -> None:
    remove(Backup.objects.get(made_by=take(orders, "full")))
    job = take(orders, "incremental")
    found = (job.requested_kind, job.kind, job.kind_cause)
    assert found == ("incremental", "full", "base_unusable")
    assert "cannot be read" in job.kind_reason


def test_a_full_that_makes_up_for_another_shows_why(orders: Instance) -> None:
    job = create_backup_job(orders, kind="incremental", wake=False)
    job.kind, job.kind_cause, job.kind_reason = "full", "full_overdue", "the full was missed"
    job.save()
    job = run_here(job)
    assert job.stages.get(name="choose base").detail == "full: the full was missed"
    assert Backup.objects.get(made_by=job).kind == "full"


@pytest.mark.parametrize(
    ("requested", "kind", "cause", "again"),
    [
        ("auto", "full", "full_old", "auto"),
        ("incremental", "full", "no_base", "incremental"),
        ("incremental", "full", "full_overdue", "full"),
        ("", "differential", "", "differential"),
    ],
)
def test_what_is_requested_again(
    orders: Instance, admin_user: User, requested: str, kind: str, cause: str, again: str
) -> None:
    job = create_backup_job(orders, wake=False)
    columns = {"requested_kind": requested, "kind": kind, "kind_cause": cause}
    Job.objects.filter(pk=job.pk).update(status=JobStatus.FAILED, **columns)
    job.refresh_from_db()
    assert rerun(job, requested_by=admin_user).requested_kind == again


def test_an_unknown_kind_is_refused(orders: Instance) -> None:
    with pytest.raises(BadInput, match="hourly backups are not supported"):
        create_backup_job(orders, kind="hourly", wake=False)
