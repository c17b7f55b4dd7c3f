"""Does the page of a repository count what stored binlogs take?"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now

from backups.health.space import measure_repositories
from backups.models import BinlogSegment, Instance, Repository, RepositorySpace, SegmentCopy
from monitor.selectors.repository_usage import load_binlog_growth, load_usage
from tests.backups.binlog_archive.spooled import timeline_of
from tests.backups.conftest import make_repository

pytestmark = pytest.mark.django_db


@pytest.fixture
def repository(db: None, tmp_path: Path) -> Repository:
    return make_repository("main", tmp_path / "main", encrypted=False)


def stored(repository: Repository, instance: str, *sizes: int) -> None:
    """Pieces of these sizes, of an instance that may be new."""
    row, _ = Instance.objects.get_or_create(name=instance, defaults={"port": 3306})
    timeline = row.binlog_timelines.first() or timeline_of(row)
    for size in sizes:
        start = timeline.segments.count() * 100
        segment = BinlogSegment.objects.create(
            timeline=timeline, file="b.000001", file_number=1, start=start, end=start + 100,
            transactions=1,
        )  # fmt: skip
        path = f"{segment.pk}.segment"
        SegmentCopy.objects.create(
            segment=segment, repository=repository, path=path, stored_bytes=size
        )


def test_by_instance_and_without_what_expires(repository: Repository) -> None:
    stored(repository, "orders-1", 40, 2)
    stored(repository, "shop-1", 100)
    SegmentCopy.objects.filter(stored_bytes=2).update(expired_at=now())
    usage = load_usage(repository, now())
    assert [(each.instance, each.copies, each.binlog_bytes) for each in usage] == [
        ("shop-1", 0, 100),
        ("orders-1", 0, 40),
    ]


def test_growth_is_the_difference_of_measurements(repository: Repository) -> None:
    at = now()
    stored(repository, "orders-1", 40)
    measure_repositories(at - timedelta(days=20))
    stored(repository, "orders-1", 100)
    measure_repositories(at)
    assert load_binlog_growth(at - timedelta(days=30)) == {repository.pk: 100}
    assert load_binlog_growth(at - timedelta(days=1)) == {repository.pk: 0}
    RepositorySpace.objects.update(binlog_bytes=None)
    assert load_binlog_growth(at - timedelta(days=30)) == {}


def test_the_pages_show_it_at_the_same_cost(repository: Repository, admin_client: Client) -> None:
    address, costs = reverse("repository-detail", args=["main"]), []
    for number in (1, 8):
        for each in range(number):
            stored(repository, f"orders-{each}", 2048)
        measure_repositories(now())
        with CaptureQueriesContext(connection) as queries:
            page = admin_client.get(address).content.decode()
        costs.append(len(queries))
    assert costs[0] == costs[1]
    assert "and 18.0 KiB of binlogs" in page
    overviews = admin_client.get(reverse("repositories")).context["overviews"]
    assert [each.grown_bytes for each in overviews] == [8 * 2048]
