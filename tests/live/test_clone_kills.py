"""A worker that dies by kill -9 at any moment: what of it stays, and who has to wait for it?"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.clone_jobs import USER, clones
from tests.live.clone_site import TAKE, CloneSite
from tests.live.mysql import PrivateMysql
from tests.live.mysql_load import prepare

pytestmark = pytest.mark.live

KILLS = 20
# A backup of the small server then takes a second or two.
SLOW_BYTES_PER_S = 60 << 20


@pytest.fixture
def donor(tmp_path: Path) -> Iterator[PrivateMysql]:
    with PrivateMysql(tmp_path / "data", {"skip-log-bin": ""}) as server:
        server.execute(*USER)
        prepare(server)
        yield server


@pytest.fixture
def site(tmp_path: Path, donor: PrivateMysql) -> Iterator[CloneSite]:
    with CloneSite(tmp_path / "home", throttle_bytes_per_s=SLOW_BYTES_PER_S) as site:
        site.set_up(donor)
        yield site


def test_kills_at_random_moments_hinder_nobody(donor: PrivateMysql, site: CloneSite) -> None:
    whole = seconds_of(lambda: site.run(*TAKE))
    chance = random.Random(20)
    for _ in range(KILLS):
        victim = site.start(*TAKE)
        time.sleep(chance.uniform(0, whole))
        # Zero: it was done before. Refused or failed would be 3 or 1.
        assert site.kill(victim) in (-signal.SIGKILL, 0), site.errors()
        site.tick()
        assert site.unfinished() == []
    (row,) = site.rows(
        "SELECT COUNT(*) FROM backups_jobstage s JOIN backups_job j ON j.id = s.job_id"
        " WHERE j.status = 'lost' AND s.name = 'copy' AND s.status = 'failed'"
    )
    assert row[0] >= KILLS // 3, "hardly any was killed while it copied"
    # Nobody waits for the dead, and nobody's clone is left behind by the living.
    assert seconds_of(lambda: site.run(*TAKE)) < 2 * whole + 5
    assert site.unfinished() == []
    assert clones(donor) == 0


def seconds_of(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began
