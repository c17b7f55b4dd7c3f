"""How many jobs run at once, who is next, and what people are shown meanwhile."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries, Settings

from backups.jobs import wake
from backups.jobs.waiting import explain_waiting
from backups.models import Instance, Job, LimitPlace, Repository
from backups.states import JobStatus, Operation
from backups.transitions.jobs import claim, end, lose
from backups.transitions.limits import Limit, host_of, limits_of
from backups.transitions.places import QUEUE_PLACE_KEPT

pytestmark = pytest.mark.django_db(transaction=True)

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
MAIN = Limit("repository:1", 2)


def pending(count: int, **columns: object) -> list[Job]:
    """Jobs of as many instances, so that nothing but limits keeps them apart."""
    return [
        Job.objects.create(
            operation=Operation.BACKUP,
            instance=Instance.objects.create(name=f"shard-{n}"),
            **columns,
        )
        for n in range(count)
    ]


def claim_now(job: Job, *limits: Limit, now: datetime = T0) -> bool:
    return claim(job, worker="w", exclusive_key=f"instance:{job.pk}", now=now, limits=limits)


def held() -> list[tuple[str, int, int]]:
    return list(LimitPlace.objects.values_list("resource", "number", "job_id"))


def test_only_as_many_run_as_the_limit_says() -> None:
    first, second, third = pending(3)
    assert claim_now(first, MAIN)
    assert claim_now(second, MAIN)
    assert not claim_now(third, MAIN)
    third.refresh_from_db()
    assert (third.status, third.waits_for, third.tried_at) == ("pending", "repository:1", T0)
    assert (third.fencing_token, third.exclusive_key) == (0, None)
    assert held() == [("repository:1", 1, first.pk), ("repository:1", 2, second.pk)]


@pytest.mark.parametrize("how", ["succeeded", "failed", "cancelled", "lost"])
def test_a_slot_is_free_again_however_its_job_ended(how: str) -> None:
    first, second = pending(2)
    claim_now(first, Limit("mooring", 1))
    assert not claim_now(second, Limit("mooring", 1))
    if how == "lost":
        assert lose(first, now=T0 + timedelta(hours=1))
    else:
        assert end(first, JobStatus(how), now=T0)
    assert held() == []
    assert claim_now(second, Limit("mooring", 1))
    assert Job.objects.get(pk=second.pk).waits_for == ""


def test_a_claim_that_fails_on_the_way_holds_nothing() -> None:
    first, second = pending(2)
    claim_now(first, Limit("repository:2", 1))
    assert not claim_now(
        second, Limit("host:db1", 3), Limit("mooring", 3), Limit("repository:2", 1)
    )
    assert {job for _, _, job in held()} == {first.pk}


def test_the_older_one_is_first() -> None:
    running, older, younger = pending(3)
    one = Limit("repository:1", 1)
    claim_now(running, one)
    assert not claim_now(older, one)
    end(running, JobStatus.SUCCEEDED, now=T0)
    assert not claim_now(younger, one, now=T0 + timedelta(seconds=5))
    assert claim_now(older, one)


@pytest.mark.parametrize(("late", "overtakes"), [(-1, False), (0, True)])
def test_one_that_nobody_tries_blocks_nobody(late: int, overtakes: bool) -> None:
    running, older, younger = pending(3)
    one = Limit("repository:1", 1)
    claim_now(running, one)
    claim_now(older, one)
    end(running, JobStatus.SUCCEEDED, now=T0)
    assert claim_now(younger, one, now=T0 + QUEUE_PLACE_KEPT + timedelta(seconds=late)) is overtakes


def test_one_that_waits_for_something_else_is_no_obstacle() -> None:
    running, older, younger = pending(3)
    claim_now(running, Limit("host:db1", 1))
    assert not claim_now(older, Limit("host:db1", 1), MAIN)
    assert claim_now(younger, MAIN)


def test_a_lowered_limit_holds_as_soon_as_enough_have_ended() -> None:
    first, second, third = pending(3)
    claim_now(first, MAIN)
    claim_now(second, MAIN)
    lowered = Limit("repository:1", 1)
    end(first, JobStatus.SUCCEEDED, now=T0)
    # DueTime 1 is free, but one job is running already.
    assert not claim_now(third, lowered)
    end(second, JobStatus.SUCCEEDED, now=T0)
    assert claim_now(third, lowered)


@pytest.mark.parametrize("most", [1, 3])
def test_ten_claimers_at_once(most: int) -> None:
    all_jobs = pending(10)
    limits = (Limit("host:db1", 7), Limit("repository:1", most))
    together, won = threading.Barrier(10), []

    def run(job: Job) -> None:
        try:
            together.wait(10)
            won.append(claim_now(job, *limits))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[job]) for job in all_jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(won) == 10
    assert LimitPlace.objects.filter(resource="repository:1").count() == sum(won)
    assert Job.objects.filter(status=JobStatus.RUNNING).count() == sum(won) <= most
    assert set(LimitPlace.objects.values_list("job__status", flat=True)) == {"running"}
    # Whoever yielded to an older one that was turned away is tried again.
    for job in Job.objects.filter(status=JobStatus.PENDING).order_by("id"):
        claim_now(job, *limits)
    assert Job.objects.filter(status=JobStatus.RUNNING).count() == most


class TestLimitsOf:
    def test_none_without_settings(self) -> None:
        (job,) = pending(1)
        job.repositories.set([Repository.objects.create(name="main", path="/srv/main")])
        assert limits_of(job) == []

    def test_all_of_them_in_one_order(self, settings: Settings) -> None:
        settings.MAX_JOBS, settings.MAX_JOBS_PER_HOST = 9, 2
        (job,) = pending(1)
        second = Repository.objects.create(name="b", path="/b", max_jobs=4)
        first = Repository.objects.create(name="a", path="/a", max_jobs=3)
        job.repositories.set([first, second])
        assert limits_of(job) == [
            Limit("host:localhost", 2),
            Limit("mooring", 9),
            Limit(f"repository:{second.pk}", 4),
            Limit(f"repository:{first.pk}", 3),
        ]

    def test_a_verify_is_nothing_to_the_instances_host(self, settings: Settings) -> None:
        settings.MAX_JOBS_PER_HOST = 1
        (job,) = pending(1)
        job.operation = Operation.VERIFY
        assert limits_of(job) == []

    @pytest.mark.parametrize(
        ("columns", "host"),
        [
            ({"host": "DB1.example."}, "db1.example"),
            ({"host": "127.0.0.2"}, "localhost"),
            ({"host": "::1"}, "localhost"),
            ({"host": "db1", "socket": "/run/my.sock"}, "localhost"),
            ({"host": "db1", "runner": "ssh", "ssh_host": "Jump"}, "jump"),
        ],
    )
    def test_instances_of_one_host_share_it(self, columns: dict[str, str], host: str) -> None:
        assert host_of(Instance(name="x", **columns)) == host


class TestWaiting:
    def test_what_people_are_shown(self, settings: Settings) -> None:
        main = Repository.objects.create(name="main", path="/srv/main", max_jobs=2)
        limit = Limit(f"repository:{main.pk}", 2)
        everything = pending(5)
        for job in everything:
            claim_now(job, limit)
        reasons = {pk: str(text) for pk, text in explain_waiting(everything).items()}
        assert list(reasons.values()) == [
            "waits for 2 jobs ahead of it on repository main; number 1 in the queue",
            "waits for 3 jobs ahead of it on repository main; number 2 in the queue",
            "waits for 4 jobs ahead of it on repository main; number 3 in the queue",
        ]

    @pytest.mark.parametrize(
        ("limit", "place"),
        [
            (Limit("mooring", 1), "under the limit of concurrent jobs"),
            (Limit("host:db1", 1), "on host db1"),
        ],
    )
    def test_the_place_is_named(self, limit: Limit, place: str) -> None:
        first, second = pending(2)
        claim_now(first, limit)
        claim_now(second, limit)
        assert explain_waiting([second])[second.pk].reason == f"waits for 1 job ahead of it {place}"

    def test_the_job_in_its_way_is_named(self) -> None:
        first, second = pending(2)
        for job in (first, second):
            claim(job, worker="w", exclusive_key="instance:1", now=T0)
        assert explain_waiting([second])[second.pk].reason == f"waits for {first}"

    def test_one_that_nobody_looked_at(self) -> None:
        _, second = pending(2)
        assert (
            str(explain_waiting([second])[second.pk]) == "waits for a worker; number 2 in the queue"
        )

    def test_a_job_that_runs_waits_for_nothing(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        (job,) = pending(1, status=JobStatus.RUNNING)
        with django_assert_num_queries(0):
            assert explain_waiting([job]) == {}

    def test_it_costs_the_same_for_many(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        everything = pending(30)
        for job in everything:
            claim_now(job, MAIN)
        waiting = list(Job.objects.filter(status=JobStatus.PENDING))
        with django_assert_num_queries(4):
            assert len(explain_waiting(waiting)) == 28


def test_whoever_was_turned_away_is_woken_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = pending(4)
    for job in everything:
        claim_now(job, Limit("mooring", 1))
    woken: list[int] = []
    monkeypatch.setattr(wake, "wake", lambda job: woken.append(job.pk))
    wake.wake_blocked_jobs()
    assert woken == [job.pk for job in everything[1:]]
