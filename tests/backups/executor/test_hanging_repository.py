"""What do ticks, jobs and checks do while the mount of one repository hangs?

A frozen FUSE server: whoever looks into the mount hangs in the kernel, as with an NFS server that
is down.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils.timezone import now

from backups.access import store_of, stores_of
from backups.catalog.condition import check_copies, check_repositories
from backups.executor.leftovers import remove_leftovers
from backups.health.each_repository import ask_each
from backups.health.space import measure_repositories
from backups.instances.data_folder import refuse_nested_repository
from backups.jobs.request import create_backup_job
from backups.models import BackupCopy, Instance, LimitPlace, Repository, RepositorySpace
from backups.preflight.survey import survey_repository
from backups.repositories import apart
from backups.repositories.apart import DoesNotAnswer
from backups.states import JobStatus
from tests.backups.conftest import make_repository
from tests.backups.fake_engine import FakeEngine
from tests.backups.repositories.held_mount import HeldMount, held_mount
from tests.backups.taking import Running, run_here, stored_files, take_backup
from tests.monitor.rows import make_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(apart, "LOOK_SECONDS", 0.05)


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[HeldMount]:
    with held_mount(tmp_path / "there", tmp_path / "mount") as mount:
        yield mount


@pytest.fixture
def far(mount: HeldMount, key_file: Path) -> Repository:
    """A repository on the mount."""
    return make_repository("far", mount.point / "far")


def until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 10
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.01)


def answers(repository: Repository) -> bool:
    try:
        return bool(store_of(repository).identity())
    except DoesNotAnswer:
        return False


def only_identity(repository: Repository) -> bool:
    return stored_files(repository) == ["mooring.json"]


def test_ticks_mark_the_one_and_go_on_with_the_other(
    mount: HeldMount, far: Repository, main: Repository, orders: Instance, engine: FakeEngine
) -> None:
    for repository in (far, main):
        take_backup(orders, repository)
    assert check_repositories(now()) == 0
    mount.freeze()

    assert measure_repositories(now()) == 1
    newest = {space.repository.name: space.error for space in RepositorySpace.objects.all()}
    assert (newest["main"], "does not answer since" in newest["far"]) == ("", True)
    assert check_repositories(now()) == 1
    far.refresh_from_db()
    main.refresh_from_db()
    assert f"{mount.point} does not answer since" in far.fault
    assert (far.fault_since is not None, main.fault) == (True, "")
    # That a repository hangs is no fault of the copies in it.
    assert check_copies(now() + timedelta(days=2)) == 0
    assert set(BackupCopy.objects.values_list("fault", flat=True)) == {""}

    mount.thaw()
    until(lambda: answers(far))
    assert check_repositories(now()) == 0
    far.refresh_from_db()
    assert (far.fault, far.fault_since) == ("", None)


def test_each_is_asked_without_waiting_for_another(
    mount: HeldMount, far: Repository, main: Repository
) -> None:
    mount.freeze()
    asked = ask_each([far, main], lambda repository: store_of(repository).free_bytes())
    first, free = next(asked)
    assert (first, isinstance(free, int)) == (main, True)
    second, error = next(asked)
    assert (second, isinstance(error, DoesNotAnswer)) == (far, True)


def test_a_tick_does_not_queue_up_behind_a_mount_that_hangs(
    mount: HeldMount, far: Repository
) -> None:
    mount.freeze()
    measure_repositories(now())
    threads = threading.active_count()
    for _ in range(3):
        measure_repositories(now())
        check_repositories(now())
    assert threading.active_count() == threads


def test_a_job_ends_with_the_reason_and_frees_its_places(
    mount: HeldMount, far: Repository, main: Repository, orders: Instance, engine: FakeEngine
) -> None:
    Repository.objects.update(max_jobs=1)
    stuck = create_backup_job(orders, repositories=[far], wake=False)
    mount.freeze()
    ended = run_here(stuck)
    assert ended.status in {JobStatus.FAILED, JobStatus.REFUSED}
    assert "does not answer since" in ended.error
    assert not LimitPlace.objects.filter(job=ended).exists()

    assert take_backup(orders, main).copies.count() == 1
    mount.thaw()
    until(lambda: answers(far))
    remove_leftovers()
    assert take_backup(orders, far).copies.count() == 1


def test_a_job_whose_mount_hangs_midway_is_cleared_up_when_it_answers(
    mount: HeldMount, far: Repository, orders: Instance, engine: FakeEngine
) -> None:
    engine.blocks_after, engine.goes_on = 2, True
    at_work = Running(create_backup_job(orders, repositories=[far], wake=False))
    at_work.reach(engine.blocked)
    mount.freeze()
    engine.stopped.set()
    ended = at_work.end()
    assert ended.status == JobStatus.FAILED
    assert "does not answer since" in ended.error
    assert not LimitPlace.objects.filter(job=ended).exists()

    mount.thaw()
    # A folder whose last file is just being closed is removed by the next tick.
    until(lambda: answers(far) and not remove_leftovers() and only_identity(far))


def test_paths_are_compared_and_a_survey_ends_without_a_touch(
    mount: HeldMount, far: Repository, main: Repository
) -> None:
    mount.freeze()
    refuse_nested_repository(far.path)
    [(_, store)] = stores_of([far])
    assert "does not answer" in getattr(survey_repository(far, store).problem, "error", "")


def test_what_it_is_on_is_shown(mount: HeldMount, far: Repository, client: Client) -> None:
    check_repositories(now())
    far.refresh_from_db()
    assert far.medium == f"FUSE (fuse) from {mount.behind}"
    [(_, store)] = stores_of([far])
    assert survey_repository(far, store).medium == far.medium
    client.force_login(make_user("eve"))
    mount.freeze()
    # No page waits for a disk.
    assert far.medium in client.get("/repositories/far/").content.decode()
