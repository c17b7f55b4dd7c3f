"""Private servers against real MariaDB programs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from backups.exceptions import EngineError, MooringError, Refused, StageFailed
from backups.programs.occupant import occupant
from backups.programs.private_server import PrivateServer, ServerOptions, initialise
from backups.programs.server_program import ServerProgram, program
from backups.runners.environment import tool_environment

pytestmark = pytest.mark.live

START_AND_BE_KILLED = """
import os, signal, sys
from pathlib import Path
from backups.programs.private_server import PrivateServer, ServerOptions
reaches_us = sys.argv[2] == "reaching us"
settings = ServerOptions(confined=reaches_us, reaches_us=reaches_us)
server = PrivateServer(Path(sys.argv[1]), settings)
server.start()
print(server.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in a path that has to be quoted."""
    folder = tmp_path_factory.mktemp("one server's folder") / "data of it"
    initialise(folder)
    return folder


@pytest.fixture
def folder(made_once: Path, tmp_path: Path) -> Iterator[Path]:
    copied = tmp_path / "data of it"
    shutil.copytree(made_once, copied)
    yield copied
    assert occupant(copied) is None


def ask(server: PrivateServer, question: str) -> tuple[object, ...]:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(question)
        return tuple(cursor.fetchone() or ())


def test_it_gets_named_variables_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_BACKUP_KEY", "Tr0ub4dor")
    with PrivateServer(folder) as server:
        environment = Path(f"/proc/{server.pid}/environ").read_bytes()
    names = {
        variable.partition(b"=")[0].decode() for variable in environment.split(b"\0") if variable
    }
    assert names == set(tool_environment())


def test_it_answers_by_its_socket_alone_and_does_nothing_of_its_own(folder: Path) -> None:
    with PrivateServer(folder) as server:
        found = ask(server, "SELECT @@skip_networking, @@event_scheduler, @@log_bin")
    assert found == (1, "DISABLED", 0)


def test_it_listens_on_this_machine_only_and_writes_a_binlog_on_request(folder: Path) -> None:
    settings = ServerOptions(port=_free_port(), binlog=True, server_id=7)
    with PrivateServer(folder, settings) as server:
        found = ask(server, "SELECT @@bind_address, @@port, @@log_bin, @@server_id")
    assert found == ("127.0.0.1", settings.port, 1, 7)


def test_options_of_the_caller_win(folder: Path) -> None:
    settings = ServerOptions(options={"innodb-buffer-pool-size": "32M"}, skip_grant_tables=True)
    with PrivateServer(folder, settings) as server:
        assert ask(server, "SELECT @@innodb_buffer_pool_size") == (32 * 1024 * 1024,)
        # Whoever asks is anybody.
        server.connect(user="nobody").close()


def test_it_leaves_neither_process_nor_files(folder: Path) -> None:
    with PrivateServer(folder) as server:
        pid, run_folder = server.pid, server.run_folder
        assert pid and run_folder.is_dir()
    assert not psutil.pid_exists(pid)
    assert not run_folder.exists()
    server.stop()


def test_a_run_folder_of_the_caller_keeps_the_log(folder: Path, tmp_path: Path) -> None:
    run_folder = tmp_path / "run"
    with PrivateServer(folder, run_folder=run_folder):
        assert (run_folder / "server.sock").exists()
    assert "ready for connections" in (run_folder / "server.log").read_text()


def test_it_refuses_a_folder_another_server_runs_on(folder: Path) -> None:
    with PrivateServer(folder) as first:
        assert occupant(folder) == first.pid
        with pytest.raises(EngineError, match=f"process {first.pid}, runs on"):
            PrivateServer(folder).start()
        assert first.pid is not None


def test_a_server_that_cannot_start_says_why_at_once(folder: Path) -> None:
    server = PrivateServer(folder, ServerOptions(options={"no-such-option": "1"}))
    with pytest.raises(EngineError, match="unknown variable 'no-such-option=1'"):
        server.start()
    assert server.pid is None


def waiting(folder: Path) -> ServerOptions:
    """A server that never answers, because of a full disk."""
    program = folder / "mariadbd"
    program.write_text("#!/bin/sh\necho 'Disk is full writing ./ibtmp1; waiting'\nexec sleep 60\n")
    program.chmod(0o755)
    return ServerOptions(program=ServerProgram(str(program), "mariadb"))


def test_a_server_that_falls_silent_on_a_full_disk_says_so(folder: Path, tmp_path: Path) -> None:
    """MariaDB waits for room for ever, and says so once."""
    settings = replace(waiting(tmp_path), silence_seconds=0.3)
    with pytest.raises(StageFailed, match="No space left"):
        PrivateServer(folder, settings).start()


def test_it_refuses_what_is_no_data_folder(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="is not a data folder"):
        PrivateServer(tmp_path).start()


def test_it_refuses_a_socket_path_the_kernel_would_cut(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="longer than 107 bytes"):
        PrivateServer(folder, run_folder=tmp_path / ("x" * 100)).start()


def test_whoever_waits_may_call_it_off(folder: Path, tmp_path: Path) -> None:
    def call_it_off() -> None:
        raise KeyboardInterrupt

    # One that answers is up at the first look where this process is slow.
    server = PrivateServer(folder, waiting(tmp_path), on_wait=call_it_off)
    with pytest.raises(KeyboardInterrupt):
        server.start()
    assert server.pid is None


def test_what_it_logs_while_it_starts_is_read_then(folder: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    with PrivateServer(folder, run_folder=tmp_path / "run", on_line=lines.append) as server:
        assert any("InnoDB" in line for line in lines)
    server.log.relay()
    assert lines == server.log.lines()


def test_it_shuts_down_in_order(folder: Path) -> None:
    with PrivateServer(folder) as server:
        server.shut_down()
    server.shut_down()


@pytest.mark.parametrize(
    ("sent", "kind", "words"),
    [
        (signal.SIGABRT, EngineError, "the private server ended with"),
        (signal.SIGKILL, StageFailed, "was killed before it had shut down"),
    ],
)
def test_a_server_that_did_not_end_in_order(
    folder: Path, sent: signal.Signals, kind: type[MooringError], words: str
) -> None:
    with PrivateServer(folder) as server:
        pid = server.pid or 0
        os.kill(pid, sent)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(kind, match=words):
            server.shut_down()


def test_a_server_that_does_not_end_in_time(folder: Path) -> None:
    with PrivateServer(folder, ServerOptions(stop_seconds=0.1)) as server:
        os.kill(server.pid or 0, signal.SIGSTOP)
        with pytest.raises(StageFailed, match="was killed before it had shut down"):
            server.shut_down()


def test_whoever_may_not_wait_kills_it(folder: Path) -> None:
    """A stopped process hears no TERM: with the patience of a shutdown this would take it all."""
    with PrivateServer(folder, ServerOptions(stop_seconds=600)) as server:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        began = time.monotonic()
        server.kill()
        assert time.monotonic() - began < 300
        assert server.pid is None


@pytest.mark.parametrize("how", ["plain", "reaching us"])
def test_it_dies_with_a_parent_that_is_killed(folder: Path, how: str) -> None:
    argv = [sys.executable, "-c", START_AND_BE_KILLED, str(folder), how]
    ended = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL
    pid = int(ended.stdout)
    if psutil.pid_exists(pid):
        assert psutil.wait_procs([psutil.Process(pid)], timeout=10)[1] == []


@pytest.mark.parametrize("owner", sorted({os.geteuid(), 65534 if os.geteuid() == 0 else -1} - {-1}))
def test_it_runs_as_the_owner_of_the_folder(owner: int, made_once: Path) -> None:
    # Not below pytest's folders: another user may not enter them.
    folder = Path("/tmp") / f"mooring-owner-{os.getpid()}"
    shutil.copytree(made_once, folder)
    try:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, owner, -1)
        with PrivateServer(folder) as server:
            assert psutil.Process(server.pid).uids().effective == owner
            assert server.log_file.stat().st_uid == owner
    finally:
        shutil.rmtree(folder)


def test_a_new_data_folder_must_be_empty(made_once: Path) -> None:
    with pytest.raises(EngineError, match="is not empty"):
        initialise(made_once)


def test_a_missing_program_is_named() -> None:
    with pytest.raises(Refused, match="no-such-mariadb is not installed") as raised:
        program("no-such-mariadb")
    assert "mariadb-server-core" in raised.value.hint


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
