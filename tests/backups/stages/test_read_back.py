"""read_back: what was written is opened again before it counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backups.jobs.request import create_backup_job
from backups.models import Backup, Instance, Job, Repository
from backups.stages import backup
from backups.stages.base import PlainStage, Stage
from backups.states import JobStatus, Operation
from tests.backups.conftest import make_repository
from tests.backups.fake_engine import FakeEngine
from tests.backups.stage_lists import set_stages
from tests.backups.taking import run_here, stored_files

pytestmark = pytest.mark.django_db(transaction=True)


class Spoil(PlainStage[object]):
    """Turns a bit of every file of one sort, behind the backs of the stages around it."""

    name = "spoil"

    def __init__(self, folder: str, pattern: str) -> None:
        self._folder, self._pattern = Path(folder), pattern

    def run(self, run: object, work: object) -> str:
        for path in self._folder.rglob(self._pattern):
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        return ""


# Without an instance to connect to.
CHOSEN = backup.STAGES[2:]


def _after(name: str) -> int:
    return [stage.name for stage in CHOSEN].index(name) + 1


@pytest.mark.parametrize("pattern", ["manifest.json.zst", "*.pack"])
def test_a_damaged_copy_is_found_before_it_counts(
    orders: Instance,
    main: Repository,
    engine: FakeEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pattern: str,
) -> None:
    second = make_repository("second", tmp_path / "second")
    stages: list[Stage[Any]] = [*CHOSEN]
    stages.insert(_after("manifest"), Spoil(second.path, pattern))
    set_stages(Operation.BACKUP, stages, monkeypatch)
    job = run_here(create_backup_job(orders, repositories=[main, second], wake=False))
    assert job.status == JobStatus.SUCCEEDED
    assert job.problems.startswith("copy in second failed: ")
    assert stored_files(second) == ["mooring.json"]
    assert Backup.objects.get().copies.get().repository == main


def test_the_key_on_disk_must_open_it_not_the_one_in_memory(
    orders: Instance,
    main: Repository,
    engine: FakeEngine,
    key_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Forget(PlainStage[object]):
        name = "forget"

        def run(self, run: object, work: object) -> str:
            key_file.unlink()
            return ""

    stages: list[Stage[Any]] = [*CHOSEN]
    stages.insert(_after("manifest"), Forget())
    set_stages(Operation.BACKUP, stages, monkeypatch)
    run_here(create_backup_job(orders, wake=False))
    job = Job.objects.get()
    assert job.error.startswith("read-back failed: key file ")
    assert stored_files(main) == ["mooring.json"]
