"""A network that breaks and a donor that dies, in the middle of a backup."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.models import Backup, Instance, Job, Repository
from backups.states import JobStatus
from tests.backups.taking import stored_files
from tests.commands import Ended
from tests.live.clone_jobs import USER, add_instance, make_main, take, taken
from tests.live.clone_proxy import (
    DONE,
    FILE_COPY,
    INIT,
    PAGE_COPY,
    REDO_COPY,
    BreakingProxy,
)
from tests.live.midway import Midway
from tests.live.mysql import PrivateMysql
from tests.live.mysql_load import Load, prepare

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

# Slow enough that pages change while their files are copied.
SLOW_BYTES_PER_S = 40 << 20


@pytest.fixture(scope="module")
def donor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateMysql]:
    folder = tmp_path_factory.mktemp("donor") / "data"
    with PrivateMysql(folder, {"sync-binlog": "0"}) as server:
        server.execute(*USER)
        prepare(server)
        yield server


@pytest.fixture
def main(tmp_path: Path, settings: Settings) -> Repository:
    settings.COPY_THREADS = 2
    return make_main(tmp_path, settings)


@pytest.fixture
def network(donor: PrivateMysql) -> Iterator[BreakingProxy]:
    with BreakingProxy(donor.port) as proxy:
        yield proxy


@pytest.fixture
def instance(donor: PrivateMysql, main: Repository, network: BreakingProxy) -> Instance:
    instance = add_instance(donor, "--tls", "off")
    instance.port = network.port
    instance.save()
    return instance


@pytest.mark.parametrize(
    ("state", "after_bytes"),
    [
        (INIT, 0),
        (INIT, 3000),
        (FILE_COPY, 0),
        (FILE_COPY, 25_000_000),
        (PAGE_COPY, 0),
        (PAGE_COPY, 100_000),
        (REDO_COPY, 0),
        (REDO_COPY, 3000),
        (DONE, 0),
        # All of the state's start, and half of the answer that all has been sent.
        (DONE, 55),
    ],
)
def test_a_link_that_is_cut_fails_the_backup_and_leaves_nothing(
    donor: PrivateMysql,
    instance: Instance,
    main: Repository,
    network: BreakingProxy,
    settings: Settings,
    state: int,
    after_bytes: int,
) -> None:
    settings.THROTTLE_BYTES_PER_S = SLOW_BYTES_PER_S
    network.break_in(state, after_bytes)
    with Load(donor, writers=3, ddl=False):
        ended = take()
    assert network.broken.is_set()
    assert_failed_by(ended, main, "connection")
    network.repair()
    settings.THROTTLE_BYTES_PER_S = 0
    taken()


def test_a_link_that_falls_silent_is_noticed(
    instance: Instance, main: Repository, network: BreakingProxy, settings: Settings
) -> None:
    settings.STALL_SECONDS = 4
    network.break_in(FILE_COPY, 25_000_000, silently=True)
    assert_failed_by(take(), main, "no byte and no log line for")
    network.repair()
    taken()


def test_a_donor_that_dies_fails_the_backup_and_the_next_one_works(
    tmp_path: Path, main: Repository, settings: Settings
) -> None:
    with PrivateMysql(tmp_path / "data") as server:
        server.execute(*USER)
        add_instance(server)
        settings.THROTTLE_BYTES_PER_S = 6 << 20
        with Midway(server.kill):
            ended = take()
        assert_failed_by(ended, main, "connection")
        server.start()
        settings.THROTTLE_BYTES_PER_S = 0
        taken()


def assert_failed_by(ended: Ended, main: Repository, said: str) -> None:
    assert ended.exit_code == 1, ended.stdout
    assert ended.json()["error"].startswith("copy failed: ")
    assert said in ended.json()["error"]
    job = Job.objects.get()
    assert (job.status, job.failed_stage, job.leftovers) == (JobStatus.FAILED, "copy", False)
    assert stored_files(main) == ["mooring.json"]
    assert not Backup.objects.exists()
