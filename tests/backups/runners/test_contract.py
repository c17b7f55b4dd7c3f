"""Does the local runner keep the contract? The others need a server: see tests/live."""

from __future__ import annotations

import pytest

from backups.runners import RUNNERS, LocalRunner, Runner
from backups.runners.ssh import SshRunner
from tests.backups.runners.contract import RunnerContract


class TestLocal(RunnerContract):
    @pytest.fixture
    def runner(self) -> Runner:
        return LocalRunner()


def test_every_runner_has_a_test_of_the_contract() -> None:
    # tests/live/test_runner_contract.py has the second.
    assert set(RUNNERS) == {LocalRunner.kind, SshRunner.kind}
