"""Does the runner that needs a server keep the contract?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backups.runners import Runner, SshRunner
from tests.backups.runners.contract import RunnerContract
from tests.live.sshd import private_sshd

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with private_sshd(tmp_path_factory.mktemp("sshd")) as target:
        yield SshRunner(target)


class TestSsh(RunnerContract):
    """Run as it is."""
