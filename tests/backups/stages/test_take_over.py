"""Which folder may a job take over, and what does a replay note of one that it keeps?"""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from backups.exceptions import LeaseLost, Refused
from backups.jobs.request import create_restore_job
from backups.models import BackupCopy, Instance, KeptRestore, Repository
from backups.restores.kept import begin_keeping
from backups.restores.target import MARK, claim_folder
from backups.stages.restore.keeping import Keeping, ending
from backups.stages.restore.take_over import check_folder
from backups.stages.restore.work import RestoreWork
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import take_backup

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def copy(orders: Instance, main: Repository, engine: FakeEngine) -> BackupCopy:
    return take_backup(orders).copies.get()


@pytest.fixture
def kept(copy: BackupCopy, tmp_path: Path) -> KeptRestore:
    target = tmp_path / "target"
    job = create_restore_job(copy, target, replay={"until_gtid": "0-1-9"}, wake=False)
    claim_folder(target, job.pk)
    return begin_keeping(job, mark=job.pk, target=target, account="mooring-1")


@pytest.fixture
def work(kept: KeptRestore, copy: BackupCopy) -> RestoreWork:
    return RestoreWork(copy, Path(kept.target), mark=kept.mark, continues=kept.job_id, kept=kept)


class TestTakeOver:
    def test_the_folder_that_was_left(self, kept: KeptRestore, work: RestoreWork) -> None:
        check_folder(kept, work)

    def test_another_host_or_one_that_was_started_since(
        self, kept: KeptRestore, work: RestoreWork
    ) -> None:
        kept.host = "db9"
        with pytest.raises(Refused, match="is on db9"):
            check_folder(kept, work)
        kept.host, kept.boot_id = socket.gethostname(), "an older one"
        with pytest.raises(Refused, match="was started since"):
            check_folder(kept, work)
        # What ended in order is on the disk.
        kept.in_order = True
        check_folder(kept, work)

    @pytest.mark.parametrize("mark", [b"4711", b"", None])
    def test_another_mark(self, kept: KeptRestore, work: RestoreWork, mark: bytes | None) -> None:
        (work.target / MARK).unlink()
        if mark is not None:
            (work.target / MARK).write_bytes(mark)
        with pytest.raises(Refused, match="it has another mark"):
            check_folder(kept, work)

    def test_a_server_runs_on_it(
        self, kept: KeptRestore, work: RestoreWork, tmp_path: Path
    ) -> None:
        program = tmp_path / "mariadbd"
        program.write_bytes(Path("/bin/sleep").read_bytes())
        program.chmod(0o755)
        server = subprocess.Popen([str(program), "60"], cwd=work.target)
        try:
            with pytest.raises(Refused, match=f"running server, pid {server.pid}"):
                check_folder(kept, work)
        finally:
            server.kill()
            server.wait()


class TestKeeping:
    def test_what_is_sent_is_noted_before(self, kept: KeptRestore, work: RestoreWork) -> None:
        # Any: only what is asked of them.
        run: Any = SimpleNamespace(job=kept.job, check=lambda: None)
        whole: Any = SimpleNamespace(goal=SimpleNamespace(skipped=frozenset({"0-1-5"})))
        keeping = Keeping(run, work, whole, "mooring-1")
        assert keeping.begin() == kept
        keeping.set_out()
        seen = []
        for file, offset in (("b.000009", 100), ("b.000009", 5_000_000), ("b.000010", 4)):
            keeping.before_send(file, offset)
            kept.refresh_from_db()
            assert (kept.sent_position or 0) >= offset
            seen.append((kept.sent_file, kept.sent_position))
        assert len(set(seen)) == 2
        assert (kept.skipped, kept.in_order) == ("0-1-5", False)

    def test_a_server_is_killed_at_once_where_the_job_is_not_ours(self) -> None:
        killed: list[str] = []
        server: Any = SimpleNamespace(kill=lambda: killed.append("killed"))
        run: Any = SimpleNamespace(stop_reason=LeaseLost("it expired"))
        ending(run, server)()
        assert killed == ["killed"]
