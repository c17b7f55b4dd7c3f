"""A restore to a moment is refused before a byte is written where nothing leads there."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.exceptions import BadInput
from backups.jobs.request import create_restore_job
from backups.models import BackupCopy, Instance, Repository
from backups.parameters import RestoreParameters
from backups.stages.restore import STAGES, STAGES_WITH_REPLAY, find_transactions, stages_for
from backups.states import JobStatus
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import run_here, take_backup

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def copy(orders: Instance, main: Repository, engine: FakeEngine) -> BackupCopy:
    return take_backup(orders).copies.get()


def test_only_a_restore_to_a_place_has_its_stages() -> None:
    target = Path("/srv/new")
    assert stages_for(RestoreParameters(target)) == STAGES
    chosen = stages_for(RestoreParameters(target, until_gtid="0-1-5"))
    assert chosen == STAGES_WITH_REPLAY
    assert chosen[0].name == find_transactions.FindTransactions.name
    assert [stage.name for stage in chosen[3:6]] == ["prepare", "replay", "start once"]


def test_an_instance_without_an_archive_is_refused(copy: BackupCopy, tmp_path: Path) -> None:
    target = tmp_path / "target"
    job = run_here(create_restore_job(copy, target, replay={"until_gtid": "0-1-5"}, wake=False))
    assert (job.status, job.leftovers) == (JobStatus.REFUSED, False)
    assert job.error.startswith("find transactions refused: no archived binlog has")
    assert not target.exists()


def test_unprepared_files_get_none(copy: BackupCopy, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not prepared"):
        create_restore_job(copy, tmp_path / "target", raw=True, replay={"until_gtid": "0-1-5"})
