"""How much memory does a prepare get?"""

from __future__ import annotations

import pytest

from backups.models import Instance, Job
from backups.restores.prepare_memory import LEAST_BYTES, count_restores_here, share_memory
from backups.states import JobStatus, Operation

GIB = 1024**3


@pytest.mark.parametrize(
    ("free", "restores", "most", "copy", "granted"),
    [
        (8 * GIB, 1, 0, None, 4 * GIB),
        (8 * GIB, 1, 3 * GIB, None, 3 * GIB),
        (8 * GIB, 2, 3 * GIB, None, 2 * GIB),
        (8 * GIB, 1, 0, GIB, GIB),
        (8 * GIB, 1, 0, 5, LEAST_BYTES),
        (0, 1, 0, GIB, LEAST_BYTES),
        (8 * GIB, 0, 0, None, 4 * GIB),
        (None, 1, GIB, GIB, None),
    ],
)
def test_the_share(
    free: int | None, restores: int, most: int, copy: int | None, granted: int | None
) -> None:
    assert share_memory(free, restores, most_bytes=most, copy_bytes=copy).granted_bytes == granted


def test_the_log_says_how_much() -> None:
    alone = share_memory(int(11.2 * GIB), 1, most_bytes=4 * GIB, copy_bytes=None)
    assert alone.words == "prepare with 4.0 GiB of 11.2 GiB free"
    shared = share_memory(8 * GIB, 2, most_bytes=0, copy_bytes=None)
    assert shared.words == "prepare with 2.0 GiB of 8.0 GiB free, shared by 2 restores"
    assert "unknown" in share_memory(None, 1, most_bytes=0, copy_bytes=None).words


@pytest.mark.django_db
def test_only_restores_that_run_on_this_host_count(orders: Instance) -> None:
    for operation, status, worker in (
        (Operation.RESTORE, JobStatus.RUNNING, "here:1"),
        (Operation.RESTORE_TEST, JobStatus.RUNNING, "here:2"),
        (Operation.RESTORE, JobStatus.RUNNING, "here-too:3"),
        (Operation.RESTORE, JobStatus.SUCCEEDED, "here:4"),
        (Operation.BACKUP, JobStatus.RUNNING, "here:5"),
    ):
        Job.objects.create(instance=orders, operation=operation, status=status, worker=worker)
    assert count_restores_here("here:1") == 2
