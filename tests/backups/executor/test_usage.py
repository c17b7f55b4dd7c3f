"""Are the requests of a job counted as its stores see them?"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils.timezone import now
from pytest_django import Settings

from backups.jobs.request import create_backup_job, create_copy_job
from backups.models import BackupCopy, Instance, Job, JobUsage, Repository
from backups.repositories.objects.clients import PART_BYTES
from backups.retention.pruning import prune_history
from backups.states import JobStatus, Operation
from tests.backups.fake_engine import FakeEngine
from tests.backups.repositories.bad_proxy import BadProxy, bad_proxy
from tests.backups.repositories.bucket_rows import make_bucket
from tests.backups.repositories.object_server import moto_address
from tests.backups.taking import purge, run_here, stored_files, take_backup
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)
CLASSES = ("puts", "gets", "lists", "heads", "deletes")


@pytest.fixture
def proxy() -> Iterator[BadProxy]:
    with bad_proxy(moto_address()) as proxy:
        yield proxy


@pytest.fixture(params=[None, 3])
def bucket(
    request: pytest.FixtureRequest, proxy: BadProxy, key_file: Path, settings: Settings
) -> Repository:
    return make_bucket(proxy.url, settings, lock_days=request.param)


def class_of(method: str, path: str) -> str:
    query = parse_qs(urlsplit(path).query, keep_blank_values=True)
    if method == "DELETE" or "delete" in query:
        return "deletes"
    if method == "GET" and {"list-type", "versions", "uploads"} & set(query):
        return "lists"
    return {"PUT": "puts", "POST": "puts", "HEAD": "heads", "GET": "gets"}[method]


def counted(job: Job) -> dict[str, int]:
    usage = JobUsage.objects.get(job=job)
    return {name: getattr(usage, name) for name in CLASSES if getattr(usage, name)}


def seen(proxy: BadProxy, since: int) -> dict[str, int]:
    return dict(Counter(class_of(*request) for request in proxy.requests[since:]))


def test_what_is_counted_is_what_the_store_was_asked(
    orders: Instance, engine: FakeEngine, bucket: Repository, proxy: BadProxy
) -> None:
    # Packs of one part and of several.
    engine.files["shop/large.ibd"] = os.urandom(2 * PART_BYTES + 1000)
    at = len(proxy.requests)
    taken = run_here(create_backup_job(orders, repositories=[bucket], wake=False))
    assert taken.status == JobStatus.SUCCEEDED
    assert counted(taken) == seen(proxy, at)
    copy = BackupCopy.objects.get()
    usage = JobUsage.objects.get()
    assert copy.stored_bytes <= usage.sent_bytes < copy.stored_bytes + 100_000

    at = len(proxy.requests)
    verify = run_here(create_copy_job(Operation.VERIFY, copy, wake=False))
    assert verify.status == JobStatus.SUCCEEDED
    assert counted(verify) == seen(proxy, at)
    received = JobUsage.objects.get(job=verify).received_bytes
    assert copy.stored_bytes <= received < 2 * copy.stored_bytes


def test_a_purge_is_counted(
    orders: Instance, engine: FakeEngine, key_file: Path, proxy: BadProxy, settings: Settings
) -> None:
    bucket = make_bucket(proxy.url, settings)
    Repository.objects.update(purge_delay=timedelta(0))
    copy = take_backup(orders, bucket).copies.get()
    at = len(proxy.requests)
    assert counted(purge(copy, force=True)) == seen(proxy, at)


def test_of_a_folder_the_bytes_are_those_of_its_files(
    orders: Instance, engine: FakeEngine, main: Repository
) -> None:
    before = set(stored_files(main))
    backup = take_backup(orders, main)
    usage = JobUsage.objects.get()
    new = [path for path in Path(main.path).rglob("*") if path.is_file()]
    assert usage.sent_bytes == sum(path.stat().st_size for path in new if path.name not in before)
    assert usage.puts == len(new) - len(before)
    assert usage.job == backup.made_by
    shown = run_command("showbackup", backup.label, "--json").json()
    (words,) = shown["requests"]
    assert words.startswith(f"main: {usage.puts} writes, ")


def test_counts_are_kept_as_long_as_other_history(
    orders: Instance, engine: FakeEngine, main: Repository, settings: Settings
) -> None:
    take_backup(orders, main)
    JobUsage.objects.update(counted_at=now() - timedelta(days=settings.HISTORY_DAYS, minutes=1))
    assert prune_history(now()) == 1
    assert not JobUsage.objects.exists()
