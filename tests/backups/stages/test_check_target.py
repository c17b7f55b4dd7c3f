"""Where a restore may write: refused before a byte is, and what it found stays."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from backups.exceptions import BadInput, EngineError
from backups.jobs.request import create_restore_job
from backups.models import BackupCopy, Evidence, Instance, Job, Repository
from backups.states import JobStatus
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import Running, restore, take_backup

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def copy(orders: Instance, main: Repository, engine: FakeEngine) -> BackupCopy:
    return take_backup(orders).copies.get()


def assert_refused(job: Job, error: str) -> None:
    assert (job.status, job.leftovers) == (JobStatus.REFUSED, False)
    assert job.error.startswith(f"check target refused: {error}")


def test_a_folder_with_something_in_it(copy: BackupCopy, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "theirs").write_text("keep")
    assert_refused(restore(copy, target), f"{target} is not empty")
    assert (target / "theirs").read_text() == "keep"


def test_a_file(copy: BackupCopy, tmp_path: Path) -> None:
    (tmp_path / "target").touch()
    assert_refused(restore(copy, tmp_path / "target"), f"{tmp_path}/target is not a folder")


@pytest.mark.parametrize("inside", ["", "instances/x", "../main/deep/er"])
def test_a_place_inside_a_repository(copy: BackupCopy, inside: str, tmp_path: Path) -> None:
    target = Path(copy.repository.path) / inside
    job = restore(copy, target)
    assert job.status == JobStatus.REFUSED
    assert not inside or "is inside repository main" in job.error


def test_the_folder_of_a_running_server(copy: BackupCopy, tmp_path: Path) -> None:
    target = tmp_path / "data"
    target.mkdir()
    # A process of that name in that folder is what a server looks like.
    program = tmp_path / "mariadbd"
    shutil.copy("/bin/sleep", program)
    server = subprocess.Popen([str(program), "60"], cwd=target)
    try:
        assert_refused(
            restore(copy, target),
            f"{target} is the data directory of a running server, pid {server.pid}",
        )
    finally:
        server.kill()
        server.wait()


def test_too_little_space_with_the_figures(
    copy: BackupCopy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backups.restores.target.RESERVE_BYTES", 3 << 50)
    target = tmp_path / "target"
    job = restore(copy, target)
    assert_refused(job, f"{target} needs 3.0 PiB, ")
    assert " free" in job.error
    assert not target.exists()


def test_a_relative_path(copy: BackupCopy) -> None:
    with pytest.raises(BadInput, match="is not an absolute path"):
        create_restore_job(copy, Path("restored"))


def test_a_path_that_is_too_long(copy: BackupCopy) -> None:
    with pytest.raises(BadInput, match="longer than 400 characters"):
        create_restore_job(copy, Path("/" + "x" * 400))


def test_an_empty_folder_that_is_there_already_is_fine(copy: BackupCopy, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    assert restore(copy, tmp_path / "target").status == JobStatus.SUCCEEDED


def test_damage_found_on_the_way_leaves_nothing(copy: BackupCopy, tmp_path: Path) -> None:
    (pack,) = Path(copy.repository.path).rglob("*.pack")
    content = bytearray(pack.read_bytes())
    # In its first frame.
    content[64] ^= 1
    pack.write_bytes(content)
    job = restore(copy, tmp_path / "target")
    assert job.status == JobStatus.FAILED
    assert job.error.startswith("extract failed: ")
    assert not (tmp_path / "target").exists()
    # A restore is no proof: what it finds is shown, not recorded.
    assert not Evidence.objects.exists()


def test_a_prepare_that_fails_leaves_nothing(
    engine: FakeEngine, copy: BackupCopy, tmp_path: Path
) -> None:
    engine.prepare_failure = EngineError("the fake prepare exited with 1")
    job = restore(copy, tmp_path / "target", raw=False)
    assert job.error == "prepare failed: the fake prepare exited with 1"
    assert not (tmp_path / "target").exists()


def test_an_unknown_owner_leaves_nothing(copy: BackupCopy, tmp_path: Path) -> None:
    job = create_restore_job(copy, tmp_path / "t", raw=True, owner="nobody-so-called", wake=False)
    job = Running(job).end()
    assert job.error.startswith("hand over failed: ")
    assert job.hint
    assert not (tmp_path / "t").exists()


def test_the_files_get_their_owner(copy: BackupCopy, tmp_path: Path) -> None:
    job = create_restore_job(copy, tmp_path / "t", raw=True, owner="nobody:nogroup", wake=False)
    assert Running(job).end().status == JobStatus.SUCCEEDED
    owners = {(path.owner(), path.group()) for path in (tmp_path / "t").rglob("*")}
    assert owners == {("nobody", "nogroup")}


def test_another_repository_at_the_path_is_not_read(copy: BackupCopy, tmp_path: Path) -> None:
    (Path(copy.repository.path) / "mooring.json").unlink()
    assert_refused(restore(copy, tmp_path / "t"), f"{copy.repository.path} is not a repository")
