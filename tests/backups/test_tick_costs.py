"""Do the ticks of repositories, copies and deletions cost what is due, and not what exists?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from backups.archive.packs import pack_name
from backups.catalog.condition import check_copies, check_repositories
from backups.health.space import measure_repositories
from backups.models import BackupCopy, Deletion, Instance, Repository, WantedCopy
from backups.models.wanted_copy import WantCause
from backups.repositories.layout import manifest_name
from backups.retention.expiry import expire_backups
from backups.retention.pruning import prune_history
from backups.retention.renewal import renew_locks
from backups.schedules.copies import copy_wanted
from tests.backups.conftest import make_repository
from tests.backups.planning import make_schedule
from tests.monitor.rows import make_backup

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)
TICKS: list[Callable[[datetime], object]] = [
    check_repositories,
    measure_repositories,
    check_copies,
    copy_wanted,
    expire_backups,
    renew_locks,
    prune_history,
]


@pytest.fixture
def others(main: Repository, tmp_path: Path) -> list[Repository]:
    """The repository of the copies, and one where copies of them are wanted."""
    return [main, make_repository("far", tmp_path / "far")]


def add_copies(instance: Instance, repositories: list[Repository], first: int, count: int) -> None:
    """Add sound copies that wait for nothing: checked, marked, and wanted elsewhere, all later."""
    here, far = repositories
    later = now() + HOUR
    for number in range(first, first + count):
        copy = make_backup(instance, here, age=timedelta(minutes=number))
        for name in (f"{copy.path}/{pack_name(1)}", manifest_name(copy.path)):
            path = Path(here.path, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        Deletion.objects.create(copy=copy, reason="a test", requested_by="anna", due_at=later)
        WantedCopy.objects.create(
            backup=copy.backup, repository=far, cause=WantCause.FAILED, next_attempt_at=later
        )
    BackupCopy.objects.update(pack_count=1, checked_at=now())


@pytest.mark.parametrize("tick", TICKS, ids=lambda tick: tick.__name__)
def test_a_tick_costs_the_same_however_much_is_not_due(
    orders: Instance, others: list[Repository], tick: Callable[[datetime], object]
) -> None:
    make_schedule(orders).copy_to.set(others[1:])
    add_copies(orders, others, 0, 3)
    few = queries_of(tick)
    add_copies(orders, others, 3, 30)
    assert queries_of(tick) == few
    assert not Repository.objects.exclude(fault="").exists()


def queries_of(tick: Callable[[datetime], object]) -> int:
    # The first one after something was added may write down what it saw.
    tick(now())
    with CaptureQueriesContext(connection) as queries:
        tick(now())
    return len(queries)
