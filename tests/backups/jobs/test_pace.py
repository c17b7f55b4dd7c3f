"""The limit of a running backup, set by hand: who did it, and why not."""

from __future__ import annotations

import pytest

from backups.exceptions import BadInput, Refused
from backups.jobs.pace import parse_by_hand, set_limit
from backups.models import Activity, Instance, Job, JobEvent, JobStage
from backups.models.catalog import Origin
from backups.states import JobStatus, Operation, StageStatus
from tests.commands import run_command
from tests.monitor.rows import T0, make_instance, make_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def orders() -> Instance:
    return make_instance("orders-1")


@pytest.fixture
def job(orders: Instance) -> Job:
    return make_job(orders, JobStatus.RUNNING)


@pytest.mark.parametrize(
    ("text", "limit"), [("20M", 20 << 20), ("full", 0), ("0", 0), ("none", None), (" None ", None)]
)
def test_what_may_be_typed(text: str, limit: int | None) -> None:
    assert parse_by_hand(text) == limit


@pytest.mark.parametrize("text", ["", "fast", "-5M", "9999999T"])
def test_what_may_not(text: str) -> None:
    with pytest.raises(BadInput, match="is not a rate") as caught:
        parse_by_hand(text)
    assert "none for what is configured" in caught.value.hint


def test_the_row_the_event_and_the_activity_say_it(job: Job) -> None:
    for limit, words in (
        (20 << 20, "at most 20.0 MiB/s"),
        (0, "full speed"),
        (None, "as configured"),
    ):
        set_limit(job, limit, actor="olga")
        job.refresh_from_db()
        assert job.pace_limit == limit
        event = JobEvent.objects.filter(job=job).latest("id")
        assert (event.actor, event.reason) == ("olga", f"pace set: {words}")
        assert Activity.objects.latest("id").details == {"pace": words}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"status": JobStatus.PENDING}, "it has not started"),
        ({"status": JobStatus.SUCCEEDED}, "it has ended"),
        ({"operation": Operation.VERIFY}, "only a backup reads an instance"),
        ({"origin": Origin.OBSERVED}, "it was not started by Mooring"),
    ],
)
def test_why_there_is_nothing_to_limit(job: Job, changes: dict[str, str], why: str) -> None:
    for name, value in changes.items():
        setattr(job, name, value)
    with pytest.raises(Refused, match=f"has no pace to set: {why}"):
        set_limit(job, 1, actor="olga")
    job.refresh_from_db()
    assert job.pace_limit is None
    assert not Activity.objects.exists()


def test_a_copy_that_has_ended_has_none(job: Job) -> None:
    stage = JobStage.objects.create(
        job=job, position=3, name="copy", status=StageStatus.RUNNING, started_at=T0
    )
    set_limit(job, 1, actor="olga")
    stage.ended_at = T0
    stage.save()
    with pytest.raises(Refused, match="its copy has ended"):
        set_limit(job, 2, actor="olga")


def test_a_job_that_ends_meanwhile_keeps_what_it_had(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(status=JobStatus.SUCCEEDED)
    with pytest.raises(Refused, match="it has ended"):
        set_limit(job, 1, actor="olga")
    assert not JobEvent.objects.filter(job=job, reason__startswith="pace").exists()


def test_setpace(job: Job) -> None:
    ended = run_command("setpace", str(job.pk), "--limit", "20M", "--json")
    assert (ended.exit_code, ended.json()["limit_bytes_per_s"]) == (0, 20 << 20)
    assert (
        "full speed, within seconds"
        in run_command("setpace", str(job.pk), "--limit", "full").stdout
    )
    for words, code, error in (
        (("77", "--limit", "none"), 2, "no job has the number 77"),
        ((str(job.pk), "--limit", "fast"), 2, "'fast' is not a rate"),
        ((str(job.pk),), 2, "--limit"),
    ):
        wrong = run_command("setpace", *words)
        assert (wrong.exit_code, error in wrong.stderr) == (code, True), wrong.stderr
    Job.objects.filter(pk=job.pk).update(status=JobStatus.FAILED)
    refused = run_command("setpace", str(job.pk), "--limit", "none")
    assert (refused.exit_code, "it has ended" in refused.stderr) == (3, True)
