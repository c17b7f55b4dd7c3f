"""Which folder may a job take over, and what does a replay note of one that it keeps?"""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from django.utils.timezone import now

from backups.binlog_archive.recovery.from_backup import Recovery, StartPoint
from backups.binlog_archive.recovery.goals import RecoveryGoal
from backups.binlog_archive.recovery.stops import Stop
from backups.binlogs.index.read import IndexedTransaction
from backups.binlogs.source.sent import NOTHING
from backups.binlogs.source.served import Served, ServedRange
from backups.exceptions import (
    CancelRequested,
    EngineError,
    LeaseLost,
    Refused,
    RepositoryError,
    StageFailed,
)
from backups.jobs.request import create_restore_job
from backups.models import BackupCopy, Instance, KeptRestore, Repository
from backups.programs.compatibility import MARIADB, MYSQL, Version
from backups.programs.private_server import ServerOptions
from backups.restores.kept import begin_keeping
from backups.restores.replay.account import ReplayAccount
from backups.restores.replay.drive import Replayed
from backups.restores.replay.statements import ReplayTarget
from backups.restores.target import MARK, claim_folder
from backups.running.run import Run
from backups.stages.restore.keeping import Keeping, ending
from backups.stages.restore.proven import rest_of_folder
from backups.stages.restore.replay import Watch
from backups.stages.restore.session import ReplaySession
from backups.stages.restore.take_over import check_folder
from backups.stages.restore.work import RestoreWork
from backups.transitions.jobs import claim
from tests.backups.binlogs.source.held import HeldBinlogs
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


class FakeServer:
    """A MariaDB that has replayed nothing, for a session that ends as soon as it begins."""

    settings, listener, process = ServerOptions(), None, (0, 0.0)

    def __init__(self, errno: int = 0, place: tuple[str, int] = ("", 0)) -> None:
        self.log = SimpleNamespace(tail=lambda lines: "")
        self._answers: dict[str, list[Any]] = {
            "gtid_slave_pos": [("0-1-1",)],
            "slave_worker_info": [place],
            "SHOW SLAVE STATUS": [{"Last_SQL_Errno": str(errno)}],
        }
        self._found: list[Any] = []

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...

    def shut_down(self) -> None: ...

    @contextmanager
    def connect(self, **login: str) -> Iterator[FakeServer]:
        yield self

    @contextmanager
    def cursor(self, *kind: object) -> Iterator[FakeServer]:
        yield self

    def execute(self, query: str) -> None:
        if query.startswith("RESET"):
            del self._answers["slave_worker_info"]
        self._found = next((rows for word, rows in self._answers.items() if word in query), [])

    def fetchall(self) -> list[Any]:
        return self._found

    def fetchone(self) -> Any:
        return self._found[0] if self._found else None


class BrokenPiece:
    """One whose index cannot be read."""

    def index(self) -> NoReturn:
        raise OSError("input/output error")


class TwoTransactions:
    """A piece, its index and its bytes: the last cannot be read, as the job is cancelled."""

    file = "b.000001"

    def index(self) -> TwoTransactions:
        return self

    def starting_at(self, position: int) -> int:
        return 0

    def transactions(self, begin: int) -> list[IndexedTransaction]:
        places = enumerate(((4, 90), (90, 200)))
        return [IndexedTransaction(each, *place, "", 0, (), "", False) for each, place in places]

    def read(self, file: str, start: int, stop: int) -> NoReturn:
        raise CancelRequested("by olga")

    def recovery(self) -> Recovery:
        # Any: not a whole piece.
        piece: Any = self
        start = StartPoint("orders-1@t", self.file, 4, "", now(), now())
        served = Served(self, (ServedRange(self.file, 4, 200),), MYSQL, gtid_mode="OFF")
        stop = Stop(self.file, 200, 1, 2, has_gtids=False)
        goal = RecoveryGoal(file=self.file, position=200)
        return Recovery(start, goal, stop, served, (piece,), (self.file,))


def recovery() -> Recovery:
    """From a backup to its own place: nothing is read for it."""
    start = StartPoint("orders-1@t", "b.000001", 90, "0-1-1", now(), now())
    goal = RecoveryGoal(until_gtid="0-1-9")
    served = Served(HeldBinlogs({}), (), MARIADB, start_gtids="0-1-1")
    return Recovery(start, goal, Stop("b.000001", 90, 1, 0, has_gtids=True), served)


def session_of(work: RestoreWork, reason: Exception, server: FakeServer) -> ReplaySession:
    """One whose replay ends with an error, once the folder changes."""

    def watch(*_: object) -> NoReturn:
        raise reason

    assert work.kept is not None
    assert claim(work.kept.job, worker="db1:1", exclusive_key="target", now=now())
    work.kept.job.refresh_from_db()
    work.continues = None
    target = ReplayTarget(MARIADB, Version(10, 11, 18))
    session = ReplaySession(Run(work.kept.job), work, recovery(), target, watch)
    # Any: not a whole server.
    played: Any = server
    session.server = played
    return session


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

    @pytest.mark.parametrize(
        ("reason", "errno", "failed"),
        [
            (EngineError("the replay stopped"), 1396, True),
            (RepositoryError("main is not there"), 0, False),
            # Both at once: it may have been applied in part.
            (RepositoryError("main is not there"), 1396, True),
            (CancelRequested("by olga"), 1396, True),
        ],
    )
    def test_what_the_server_says_of_a_failed_transaction(
        self, kept: KeptRestore, work: RestoreWork, reason: Exception, errno: int, failed: bool
    ) -> None:
        with pytest.raises(type(reason)):
            session_of(work, reason, FakeServer(errno)).replay()
        kept.refresh_from_db()
        assert (kept.in_order, kept.failed) == (True, failed)

    def test_a_source_that_refuses_to_go_on(self, kept: KeptRestore, work: RestoreWork) -> None:
        server = FakeServer()
        with pytest.raises(Refused, match="no copy of a piece") as refused:
            session = session_of(work, Refused("no copy of a piece is whole"), server)
            session.replay()
        assert session.keeping is not None
        assert session.keeping.stopped.is_set()
        kept.refresh_from_db()
        assert (kept.in_order, kept.failed, kept.next_position) == (True, False, 90)
        assert refused.value.hint == kept.how_to_continue

    @pytest.mark.parametrize("finished", [False, True])
    def test_what_is_not_synced_is_not_in_order(
        self, kept: KeptRestore, work: RestoreWork, finished: bool
    ) -> None:
        work.target = work.target / "gone"
        keeping = Keeping(Run(kept.job), work, recovery(), "mooring-1")
        if finished:
            with pytest.raises(StageFailed, match="could not be synced"):
                keeping.finish(Replayed(NOTHING, "0-1-1"))
        else:
            server: Any = FakeServer()
            target, account = ReplayTarget(MARIADB, Version(10, 11, 18)), ReplayAccount(MARIADB)
            assert keeping.leave(server, target, account, failed=False) is None
        kept.refresh_from_db()
        assert not kept.in_order

    def test_it_ended_in_order_also_where_its_place_is_not_found(
        self, kept: KeptRestore, work: RestoreWork
    ) -> None:
        piece: Any = BrokenPiece()
        session = session_of(work, CancelRequested("by olga"), FakeServer())
        session.whole = replace(recovery(), read=(piece,), names=("b.000001",))
        assert session.keeping is not None
        session.keeping.whole = session.whole
        with pytest.raises(CancelRequested):
            session.replay()
        kept.refresh_from_db()
        assert (kept.in_order, kept.next_file) == (True, "")

    def test_its_place_is_known_while_relay_logs_are_written(
        self, kept: KeptRestore, work: RestoreWork
    ) -> None:
        # As a kill has left it.
        kept.sent_file, kept.sent_position = "b.000001", 150
        kept.save()
        assert claim(kept.job, worker="db1:1", exclusive_key="target", now=now())
        kept.job.refresh_from_db()
        target = ReplayTarget(MYSQL, Version(8, 0, 40), "OFF", by_relay_logs=True)
        run, whole = Run(kept.job), TwoTransactions().recovery()
        session = ReplaySession(run, work, whole, target, Watch)
        server: Any = FakeServer(place=("b.000001", 90))
        session.server = server
        with pytest.raises(CancelRequested):
            session.replay()

        kept.refresh_from_db()
        assert (kept.in_order, kept.next_position, kept.sent_position) == (True, 90, 90)
        # What a kill in the middle of it leaves.
        KeptRestore.objects.update(in_order=False)
        kept.refresh_from_db()
        work.kept = kept
        rest, reached = rest_of_folder(server, target, Keeping(run, work, whole, "mooring-1"))
        assert (rest.done, reached.position) == (1, 90)

    def test_a_server_is_killed_at_once_where_the_job_is_not_ours(self) -> None:
        killed: list[str] = []
        server: Any = SimpleNamespace(kill=lambda: killed.append("killed"))
        run: Any = SimpleNamespace(stop_reason=LeaseLost("it expired"))
        ending(run, server)()
        assert killed == ["killed"]

    @pytest.mark.parametrize("stopped", [False, True])
    def test_a_server_that_flushes_its_pages_is_not_killed(
        self, kept: KeptRestore, work: RestoreWork, stopped: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("backups.stages.restore.keeping._STOP_SECONDS", 0)
        killed: list[str] = []
        server: Any = SimpleNamespace(kill=lambda: killed.append("killed"))
        run = Run(kept.job)
        keeping = Keeping(run, work, recovery(), "mooring-1")
        if stopped:
            keeping.stopped.set()
        run.stop(CancelRequested("by olga"))
        ending(run, server, keeping)()
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.join()
        assert killed == ([] if stopped else ["killed"])
