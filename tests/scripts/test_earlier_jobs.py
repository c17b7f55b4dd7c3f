"""A demo that was killed leaves a job whose lease has to end: the next run waits, and says so."""

from __future__ import annotations

import threading

import pytest

from backups.models import Instance, Job
from backups.states import JobStatus, Operation
from scripts import earlier_jobs
from scripts.console import SetupError
from scripts.earlier_jobs import wait_for_earlier

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setattr(earlier_jobs, "POLL_SECONDS", 0.01)
    shop = Instance.objects.create(name="shop-1")
    return Job.objects.create(
        instance=shop, operation=Operation.BACKUP, status=JobStatus.RUNNING, kind="full"
    )


def test_it_waits_for_the_job_of_its_dead_predecessor(
    job: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    polled = threading.Event()

    def tick(seconds: float) -> None:
        Job.objects.filter(pk=job.pk).update(status=JobStatus.LOST)
        polled.set()

    monkeypatch.setattr("scripts.earlier_jobs.time.sleep", tick)
    wait_for_earlier("shop-1", 60)
    assert polled.is_set()
    said = capsys.readouterr().err
    assert "of an earlier run that was killed: waiting until its lease is over, 120 s" in said
    assert "going on" in said


def test_it_does_not_wait_for_ever(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier_jobs, "GRACE_SECONDS", 0)
    with pytest.raises(SetupError, match="is still running after 0 s") as refused:
        wait_for_earlier("shop-1", 0)
    assert f"canceljob {job.pk}" in refused.value.hint


def test_without_one_it_says_nothing(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    wait_for_earlier("shop-2", 60)
    assert capsys.readouterr().err == ""
