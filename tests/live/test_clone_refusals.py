"""What cannot be cloned, or not now, is refused in words that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.clone_protocol import CloneError, DonorError, Endpoint, Tls, clone
from backups.models import Instance, Repository
from tests.backups.taking import stored_files
from tests.commands import run_command
from tests.live.clone_jobs import PASSWORD, USER, account_words, add_instance, make_main, take
from tests.live.mysql import PrivateMysql
from tests.live.mysql57 import PrivateMysql57

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def donor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateMysql]:
    with PrivateMysql(tmp_path_factory.mktemp("donor") / "data") as server:
        server.execute(*USER)
        yield server


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateMysql57]:
    with PrivateMysql57(tmp_path_factory.mktemp("old") / "data") as server:
        server.execute(
            f"CREATE USER bk@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
            "GRANT PROCESS, SUPER, SELECT ON *.* TO bk@'127.0.0.1'",
        )
        yield server


@pytest.fixture
def main(tmp_path: Path, settings: Settings) -> Repository:
    return make_main(tmp_path, settings)


@pytest.fixture
def instance(donor: PrivateMysql, main: Repository) -> Instance:
    return add_instance(donor)


def test_a_wrong_password_is_reported_and_not_repeated(
    instance: Instance, main: Repository
) -> None:
    instance.set_password("hunter2-hunter2")
    instance.save()
    ended = take()
    assert (ended.exit_code, ended.json()["status"]) == (1, "failed")
    assert ended.json()["error"].startswith("connect failed: cannot connect to 127.0.0.1:")
    assert "access denied for user bk@" in ended.json()["error"]
    assert ended.json()["hint"]
    assert "hunter2" not in ended.stdout + ended.stderr
    assert stored_files(main) == ["mooring.json"]


def test_a_second_clone_is_refused_before_it_begins(
    donor: PrivateMysql, instance: Instance, main: Repository
) -> None:
    endpoint = Endpoint("bk", PASSWORD, port=donor.port, tls=Tls.PREFERRED)
    with clone(endpoint.connect) as other:
        next(other.records())
        ended = take()
    assert ended.exit_code == 3
    assert ended.json()["error"] == (
        "preflight refused: other clones: 2 connections are cloning; "
        "a server allows one clone at a time"
    )
    assert ended.json()["hint"] == "Wait for the other clone to end, then try again."
    assert stored_files(main) == ["mooring.json"]
    assert take().exit_code == 0


def test_a_server_that_is_too_old_is_not_added(old: PrivateMysql57, main: Repository) -> None:
    with account_words(old) as words:
        ended = run_command("addinstance", "old-1", *words)
    assert ended.exit_code == 3
    assert "MySQL 5.7.29 is too old: servers can be cloned from 8.0.17 on" in ended.stderr
    assert "Upgrade the server" in ended.stderr
    assert not Instance.objects.exists()


def test_a_server_that_became_too_old_is_refused(
    old: PrivateMysql57, instance: Instance, main: Repository
) -> None:
    # The address leads to another server than it did when the instance was added.
    instance.port = old.port
    instance.save()
    ended = take()
    assert ended.exit_code == 3, ended.stdout
    assert "MySQL 5.7.29 is too old" in ended.json()["error"]
    assert stored_files(main) == ["mooring.json"]


def test_a_server_that_knows_no_clone_says_so_itself(old: PrivateMysql57) -> None:
    endpoint = Endpoint("bk", PASSWORD, port=old.port, tls=Tls.PREFERRED)
    with pytest.raises(CloneError) as caught, clone(endpoint.connect):
        pass
    assert isinstance(caught.value, DonorError), caught.value
    assert "MySQL 8.0.17 or newer is needed" in caught.value.hint
