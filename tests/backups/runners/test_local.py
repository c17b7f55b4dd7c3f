"""Commands on this machine."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from backups.exceptions import RunnerError
from backups.runners import LocalRunner
from backups.runners.groups import end_group, list_members
from backups.runners.local import fill_in


def ended(pid: int) -> bool:
    """Whether a process is gone, or only waits to be buried."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_file_that_cannot_run_is_reported(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    with pytest.raises(RunnerError, match="could not be started"):
        LocalRunner().run([str(broken)])


def test_a_secret_file_is_private_and_in_no_argv() -> None:
    argv = ["sh", "-c", 'stat -L -c %a "$1"; cat "$1"; sleep 1000', "sh", "{login}"]
    with LocalRunner().start(argv, secret_files={"login": "Tr0ub4dor"}) as command:
        assert command.stdout.read(1000) in {b"600\n", b"600\nTr0ub4dor"}
        words = " ".join(psutil.Process(command.process[0]).cmdline() or [])
        assert "Tr0ub4dor" not in words


def test_a_secret_is_gone_from_this_process_once_the_command_has_it() -> None:
    with LocalRunner().start(["sleep", "1000"], secret_files={"login": "x"}) as command:
        assert "memfd:login" in files_of(command.process[0])
        assert "memfd:login" not in files_of(os.getpid())


def files_of(pid: int) -> str:
    return subprocess.run(
        ["ls", "-l", f"/proc/{pid}/fd"], capture_output=True, text=True, check=False
    ).stdout


@pytest.mark.parametrize(
    ("word", "filled"),
    [
        ("--file={login}", "--file=/x"),
        ("{login}{login}", "/x/x"),
        ("{other}", "{other}"),
        ("{}", "{}"),
        ("${login", "${login"),
    ],
)
def test_only_known_names_are_filled_in(word: str, filled: str) -> None:
    assert fill_in(word, {"login": "/x"}) == filled


def test_stop_ends_a_stubborn_command_and_its_children() -> None:
    script = "trap '' TERM; sleep 1000 & setsid sleep 1000 & echo $!; wait; sleep 1000"
    with LocalRunner().start(["sh", "-c", script], secret_files={}) as command:
        estranged = int(command.stdout.read(100))
        members = list_members(*command.process)
        command.stop()
        command.stop()
        assert command.wait() == -signal.SIGKILL
        assert ended(estranged)
        assert all(ended(member.pid) for member in members)
    assert list_members(*command.process) == []


def test_a_reused_number_is_left_alone() -> None:
    with LocalRunner().start(["sleep", "1000"], secret_files={}) as command:
        pid, started = command.process
        assert end_group(pid, started - 60)
        assert not ended(pid)


def test_a_number_from_before_a_restart_of_the_host_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Its leader has ended, so nothing else tells these processes from a command of ours.
    with LocalRunner().start(["sh", "-c", "sleep 1000 & echo $!"], secret_files={}) as command:
        stranger = int(command.stdout.readline())
        command.wait()
        group, started = command.process
        monkeypatch.setattr("psutil.boot_time", lambda: started + 60)
        assert end_group(group, started)
        assert not ended(stranger)
        monkeypatch.undo()
        assert end_group(group, started)
        assert ended(stranger)


def test_a_command_outlives_the_thread_that_started_it() -> None:
    runner, commands = LocalRunner(), []

    def ask() -> None:
        context = runner.start(["sleep", "1000"], secret_files={})
        commands.append((context, context.__enter__()))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    ((context, command),) = commands
    assert runner.run(["true"]).exit_code == 0
    assert not ended(command.process[0])
    context.__exit__(None, None, None)
    assert ended(command.process[0])


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_killed_worker_takes_its_command_with_it() -> None:
    script = (
        "from backups.runners import LocalRunner\n"
        "with LocalRunner().start(['sleep', '1000'], secret_files={}) as command:\n"
        "    print(command.process[0], flush=True)\n"
        "    command.wait()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        command = psutil.Process(int(worker.stdout.readline()))
        # Before that it is setpriv, which has yet to ask the kernel for the signal.
        wait_until(lambda: command.name() == "sleep")
        worker.kill()
        assert psutil.wait_procs([command], timeout=5)[1] == []


def test_the_output_pipe_is_enlarged_where_allowed() -> None:
    with LocalRunner().start(["sleep", "1000"], secret_files={}) as command:
        assert stat.S_ISFIFO(os.fstat(command.stdout.fileno()).st_mode)
