"""The runner and the store that belong to a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.access import runner_of, store_of
from backups.exceptions import BadInput
from backups.models import Instance, Repository
from backups.repositories.wrappers import RetryingStore
from backups.runners.local import LocalRunner
from backups.runners.ssh import SshRunner, SshTarget
from tests.backups.archive.stores import make_store


def test_a_local_runner() -> None:
    assert isinstance(runner_of(Instance(runner="local")), LocalRunner)


def test_an_ssh_runner_knows_its_target() -> None:
    runner = runner_of(
        Instance(
            runner="ssh",
            ssh_host="db-1",
            ssh_user="m",
            ssh_port=2222,
            ssh_identity_file="/k/id",
            ssh_known_hosts_file="/k/known",
        )
    )
    assert isinstance(runner, SshRunner)
    assert runner.target == SshTarget("db-1", "m", Path("/k/id"), Path("/k/known"), 2222)


def test_without_files_the_habit_of_ssh_holds() -> None:
    runner = runner_of(Instance(runner="ssh", ssh_host="db-1", ssh_user="m"))
    assert isinstance(runner, SshRunner)
    assert runner.target.known_hosts == Path.home() / ".ssh" / "known_hosts"
    assert runner.target.identity_file == Path.home() / ".ssh" / "id_ed25519"


def test_a_directory_is_read_with_patience(tmp_path: Path) -> None:
    made = make_store(tmp_path)
    store = store_of(Repository(kind="directory", path=str(tmp_path)))
    assert isinstance(store, RetryingStore)
    assert store.identity() == made.identity()


def test_what_nobody_knows_is_refused() -> None:
    with pytest.raises(BadInput, match="unknown runner: pigeon"):
        runner_of(Instance(name="o", runner="pigeon"))
    with pytest.raises(BadInput, match="unknown kind: tape"):
        store_of(Repository(name="r", kind="tape"))
