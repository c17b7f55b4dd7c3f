"""mariadb-backup against a real server: copied, restored, started, checked."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from backups.archive.records import Data, FileClosed, FileOpened, FileRemoved, FileRenamed, Record
from backups.engines.base import CopyRequest, Login
from backups.engines.mariadb_backup import MariadbBackup, MariadbDetails
from backups.engines.mariadb_backup.command import SETTINGS, backup_argv, build_settings
from backups.engines.mariadb_backup.log import STAGES
from backups.engines.mariadb_backup.mbstream import read_records
from backups.engines.mariadb_backup.options import MariadbOptions
from backups.exceptions import EngineError, RunnerError
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.runners import LocalRunner, Runner, SshRunner
from backups.runners.environment import tool_environment
from backups.runners.groups import list_members
from tests.live.observer import Diary
from tests.live.preparing import prepare_folder
from tests.live.server import new_mariadb
from tests.live.sshd import private_sshd

pytestmark = pytest.mark.live

# Everything the option-file syntax could trip over.
PASSWORD = "p#a\"s\\s w'ord;="
TABLES = (
    "CREATE TABLE orders (id INT PRIMARY KEY, note VARCHAR(999)) ENGINE=InnoDB",
    "INSERT INTO orders SELECT seq, REPEAT(MD5(seq), 30) FROM seq_1_to_30000",
    "CREATE TABLE visits (id INT PRIMARY KEY) ENGINE=MyISAM",
    "INSERT INTO visits SELECT seq FROM seq_1_to_1000",
    "CREATE TABLE notes (id INT PRIMARY KEY, t TEXT) ENGINE=InnoDB ROW_FORMAT=COMPRESSED",
    "INSERT INTO notes SELECT seq, REPEAT('x', 500) FROM seq_1_to_1000",
    "CREATE TABLE events (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 3",
    "INSERT INTO events SELECT seq FROM seq_1_to_1000",
)
# Folders of their own and sizes of their own: the tool has to learn them from the server.
ELSEWHERE = {
    "innodb-page-size": "8k",
    "innodb-data-file-path": "ibdata1:12M;ibdata2:12M:autoextend",
    "innodb-undo-tablespaces": "2",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    base = tmp_path_factory.mktemp("server")
    (base / "undo").mkdir()
    (base / "redo").mkdir()
    options = ELSEWHERE | {
        "innodb-undo-directory": str(base / "undo"),
        "innodb-log-group-home-dir": str(base / "redo"),
    }
    new_mariadb(base / "data", options)
    with PrivateServer(base / "data", ServerOptions(binlog=True, options=options)) as server:
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE shop")
            cursor.execute("USE shop")
            for statement in TABLES:
                cursor.execute(statement)
            cursor.execute("CREATE USER backup@localhost IDENTIFIED BY %s", (PASSWORD,))
            cursor.execute("GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO backup@localhost")
        yield server


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshRunner]:
    with private_sshd(tmp_path_factory.mktemp("sshd")) as target:
        yield SshRunner(target)


@pytest.fixture(params=["local", "ssh"])
def runner(request: pytest.FixtureRequest, ssh: SshRunner) -> Runner:
    return LocalRunner() if request.param == "local" else ssh


@pytest.fixture
def login(server: PrivateServer) -> Login:
    return Login("backup", PASSWORD, socket=str(server.socket))


def request_for(login: Login, runner: Runner, *, threads: int) -> CopyRequest[MariadbOptions]:
    return CopyRequest(login, runner, MariadbOptions(), threads=threads)


def write_out(records: Iterator[Record], folder: Path) -> None:
    """Make the files of a copy, the plainest way there is."""
    paths: dict[int, Path] = {}
    for record in records:
        match record:
            case FileOpened(number, path):
                paths[number] = folder / path
                paths[number].parent.mkdir(parents=True, exist_ok=True)
                paths[number].touch(exist_ok=False)
            case Data(number, offset, payload):
                with paths[number].open("r+b") as file:
                    file.seek(offset)
                    file.write(payload)
            case FileClosed(number, size):
                assert paths[number].stat().st_size == size
            case FileRenamed(number, path):
                paths[number] = paths[number].rename(folder / path)
            case FileRemoved(number):
                paths[number].unlink()


def rows(server: PrivateServer, statement: str) -> list[tuple[object, ...]]:
    with server.connect(database="shop") as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def test_a_copy_restores_to_the_same_tables(
    server: PrivateServer, runner: Runner, login: Login, tmp_path: Path
) -> None:
    target, diary = tmp_path / "restored", Diary()
    target.mkdir()
    with MariadbBackup().copy(request_for(login, runner, threads=2), diary) as copy:
        write_out(copy.records(), target)
        facts = copy.facts()
    assert tuple(diary.started) == STAGES
    assert diary.ended.keys() == diary.started.keys()
    assert facts.lock_time is not None
    assert facts.lock_time == diary.ended["backup lock"]
    assert 0 < facts.lock_time.total_seconds() < 10
    assert isinstance(facts.details, MariadbDetails)
    assert (facts.from_lsn, facts.details.backup_type) == (0, "full-backuped")
    assert [rows(server, "SHOW MASTER STATUS")[0][:2]] == [
        (facts.binlog_file, facts.binlog_position)
    ]
    assert facts.gtid_executed == rows(server, "SELECT @@gtid_current_pos")[0][0]
    assert not [line for line in diary.lines if line[0] == "error"]
    prepare_folder(target)
    with PrivateServer(target, ServerOptions(options=ELSEWHERE)) as restored:
        for table in ("orders", "visits", "notes", "events"):
            (verdict,) = rows(restored, f"CHECK TABLE {table} EXTENDED")
            assert verdict[3] == "OK"
            checksum = f"CHECKSUM TABLE {table}"
            assert rows(restored, checksum) == rows(server, checksum)


def test_the_same_stream_gives_the_same_files_as_mbstream(login: Login, tmp_path: Path) -> None:
    stream, ours, theirs = tmp_path / "stream", tmp_path / "ours", tmp_path / "theirs"
    settings = {SETTINGS: build_settings(login)}
    with (
        LocalRunner().start(backup_argv(login, threads=2), secret_files=settings) as command,
        stream.open("wb") as file,
        subprocess.Popen(["cat"], stdin=command.stdout, stdout=file),
    ):
        assert command.stderr.read().rstrip().endswith(b"completed OK!")
        assert command.wait() == 0
    ours.mkdir()
    theirs.mkdir()
    with stream.open("rb", buffering=0) as source:
        write_out(read_records(source), ours)
    with stream.open("rb") as packed:
        subprocess.run(["mbstream", "-x", "-C", str(theirs)], stdin=packed, check=True)
    assert subprocess.run(["diff", "-r", str(ours), str(theirs)], check=False).returncode == 0


def test_tables_that_change_while_they_are_copied(
    server: PrivateServer, login: Login, tmp_path: Path
) -> None:
    """The tool copies Aria tables first, and repairs its copy by its log of what changed."""
    rows(server, "CREATE OR REPLACE TABLE gone (id INT) ENGINE=Aria")
    rows(server, "CREATE OR REPLACE TABLE old (id INT) ENGINE=Aria AS SELECT 1 id")
    # More than the pipe holds, copied after them: the tool cannot get ahead of us.
    rows(server, "CREATE OR REPLACE TABLE big (t LONGTEXT) ENGINE=MyISAM")
    rows(server, "INSERT INTO big SELECT REPEAT('x', 1000000) FROM seq_1_to_40")
    seen: list[Record] = []

    def change_on_the_way(records: Iterator[Record]) -> Iterator[Record]:
        waiting = {"shop/gone.MAD", "shop/old.MAD"}
        for record in records:
            seen.append(record)
            yield record
            if waiting and isinstance(record, FileClosed):
                waiting -= {e.path for e in seen if isinstance(e, FileOpened)}
                if not waiting:
                    rows(server, "SET STATEMENT lock_wait_timeout=5 FOR DROP TABLE gone")
                    rows(server, "SET STATEMENT lock_wait_timeout=5 FOR RENAME TABLE old TO new")

    with MariadbBackup().copy(request_for(login, LocalRunner(), threads=1), Diary()) as copy:
        write_out(change_on_the_way(copy.records()), tmp_path)
        copy.facts()
    rows(server, "DROP TABLE new, big")
    assert {FileRemoved, FileRenamed} <= {type(each) for each in seen}
    prepare_folder(tmp_path)
    with PrivateServer(tmp_path, ServerOptions(options=ELSEWHERE)) as restored:
        tables = {name for (name,) in rows(restored, "SHOW TABLES")}
        assert tables & {"gone", "old", "new"} == {"new"}
        assert rows(restored, "SELECT id FROM new") == [(1,)]


def test_a_table_that_the_tool_takes_for_dropped_is_named(
    server: PrivateServer, login: Login
) -> None:
    folder = Path(str(rows(server, "SELECT @@datadir")[0][0])) / "shop"
    for table in ("imported", "given"):
        rows(server, f"CREATE TABLE {table} (id INT PRIMARY KEY)")
        rows(server, f"INSERT INTO {table} VALUES (1)")
    with server.connect(database="shop") as connection, connection.cursor() as cursor:
        cursor.execute("FLUSH TABLES given FOR EXPORT")
        kept = {end: (folder / f"given.{end}").read_bytes() for end in ("ibd", "cfg")}
        cursor.execute("UNLOCK TABLES")
        cursor.execute("ALTER TABLE imported DISCARD TABLESPACE")
        for end, content in kept.items():
            (folder / f"imported.{end}").write_bytes(content)
        cursor.execute("ALTER TABLE imported IMPORT TABLESPACE")
        # Really dropped: nothing is wrong with that.
        cursor.execute("DROP TABLE given")
    diary = Diary()
    with MariadbBackup().copy(request_for(login, LocalRunner(), threads=2), diary) as copy:
        names = {record.path for record in copy.records() if isinstance(record, FileOpened)}
        facts = copy.facts()
    assert names & {"shop/imported.frm", "shop/imported.ibd"} == {"shop/imported.frm"}
    (problem,) = facts.problems
    assert problem.startswith("shop.imported has a definition in this backup, but no data")


def test_a_wrong_password_is_reported_without_it(runner: Runner, login: Login) -> None:
    diary = Diary()
    wrong = replace(login, password="Tr0ub4dor&3")
    with (
        pytest.raises(EngineError, match="Access denied for user") as caught,
        MariadbBackup().copy(request_for(wrong, runner, threads=1), diary) as copy,
    ):
        list(copy.records())
    assert "password" in caught.value.hint
    assert "Tr0ub4dor" not in f"{caught.value}{caught.value.hint}{diary.said()}"


def test_no_password_is_in_any_argv_or_environment(runner: Runner, login: Login) -> None:
    with MariadbBackup().copy(request_for(login, runner, threads=1), Diary()) as copy:
        next(copy.records())
        assert copy.process is not None
        for process in [*tools(), psutil.Process(copy.process[0])]:
            for content in ("cmdline", "environ"):
                assert PASSWORD.encode() not in Path(f"/proc/{process.pid}/{content}").read_bytes()


def test_a_tool_gets_named_variables_only(
    runner: Runner, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOORING_BACKUP_KEY", "Tr0ub4dor")
    monkeypatch.setenv("MOORING_ADMIN_PASSWORD", "Tr0ub4dor")
    with MariadbBackup().copy(request_for(login, runner, threads=1), Diary()) as copy:
        next(copy.records())
        children = psutil.Process().children(recursive=True)
        environments = [Path(f"/proc/{child.pid}/environ").read_bytes() for child in children]
        tool = Path(f"/proc/{tools()[0].pid}/environ").read_bytes()
    assert not [each for each in (*environments, tool) if b"Tr0ub4dor" in each]
    if isinstance(runner, LocalRunner):
        assert tool == environment_text(tool_environment())


def environment_text(variables: Mapping[str, str]) -> bytes:
    """As the kernel shows it."""
    return b"".join(f"{name}={value}\0".encode() for name, value in variables.items())


def tools() -> list[psutil.Process]:
    """Those that this test started, here or by its own sshd: others may run beside it."""
    found = [p for p in psutil.process_iter(["name"]) if p.info["name"] == "mariadb-backup"]
    mine = {child.pid for child in psutil.Process().children(recursive=True)}
    return [process for process in found if process.pid in mine]


def test_an_engine_killed_on_the_way_is_an_error(login: Login) -> None:
    with MariadbBackup().copy(request_for(login, LocalRunner(), threads=1), Diary()) as copy:
        records = copy.records()
        next(records)
        assert copy.process is not None
        os.kill(copy.process[0], signal.SIGKILL)
        with pytest.raises(EngineError, match="was killed by SIGKILL"):
            list(records)
        with pytest.raises(EngineError):
            copy.facts()


def test_a_link_cut_on_the_way_is_an_error_and_ends_the_engine(
    ssh: SshRunner, login: Login
) -> None:
    before = set(tools())
    with MariadbBackup().copy(request_for(login, ssh, threads=1), Diary()) as copy:
        records = copy.records()
        next(records)
        (engine,) = set(tools()) - before
        assert copy.process is not None
        os.kill(copy.process[0], signal.SIGKILL)
        with pytest.raises((EngineError, RunnerError)):
            list(records)
        assert psutil.wait_procs([engine], timeout=5)[1] == []


def test_stop_leaves_no_process_and_no_lock(
    server: PrivateServer, runner: Runner, login: Login
) -> None:
    before = set(tools())
    with MariadbBackup().copy(request_for(login, runner, threads=1), Diary()) as copy:
        records = copy.records()
        next(records)
        engines = set(tools()) - before
        assert engines
        copy.stop()
        copy.stop()
        assert psutil.wait_procs(engines, timeout=5)[1] == []
        with pytest.raises(EngineError):
            list(records)
        assert copy.process is not None
        assert list_members(*copy.process) == []
    # Both need what a BACKUP STAGE would hold.
    rows(server, "CREATE OR REPLACE TABLE free (id INT) ENGINE=MyISAM")
    rows(server, "SET STATEMENT lock_wait_timeout=5 FOR DROP TABLE free")
    assert not rows(server, "SELECT * FROM information_schema.processlist WHERE user = 'backup'")


def test_leaving_early_stops_the_engine(login: Login) -> None:
    with MariadbBackup().copy(request_for(login, LocalRunner(), threads=1), Diary()) as copy:
        next(copy.records())
        assert copy.process is not None
        with pytest.raises(EngineError, match="not read to its end"):
            copy.facts()
    assert list_members(*copy.process) == []
