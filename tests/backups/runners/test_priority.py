"""What the kernel says of the priority of what we start; never how fast it is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from backups.programs import server_process
from backups.runners import LocalRunner
from backups.runners.priority import LOW_NICENESS, low_priority, lower_session
from backups.runners.priority_facts import PriorityFacts, parse_priority, read_priority
from backups.runners.remote import build_script

WAIT_SECONDS = 20.0
RECORDED = """\
4711 (odd) R (name) S 1 4711 4711 0 -1 4194304 78 0 0 0 0 0 0 0 30 10 1 0 83 31 38 18 9 9 1 0 0 \
0 0 0 0 0 0 0 17 0 0 3 0 0 0 93 93 93 14 14 14 14 0
/autogroup-293169 nice 10
12:cpu,cpuacct:/
0::/system.slice/mooring.service
1
"""


def session_niceness(pid: int) -> int | None:
    text = Path(f"/proc/{pid}/autogroup").read_text(encoding="utf-8")
    return parse_priority(text).session_niceness


def await_session(pid: int, niceness: int) -> None:
    """Users other than root share one change in a tenth of a second."""
    deadline = time.monotonic() + WAIT_SECONDS
    while session_niceness(pid) != niceness and time.monotonic() < deadline:
        threading.Event().wait(0.05)
    assert session_niceness(pid) == niceness


def thread_policies(pid: int) -> set[tuple[int, int]]:
    threads = [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    return {(os.sched_getscheduler(one), os.getpriority(os.PRIO_PROCESS, one)) for one in threads}


def test_facts_of_a_recorded_kernel() -> None:
    assert parse_priority(RECORDED, "20\n", "best-effort: prio 7\n") == PriorityFacts(
        niceness=10,
        policy="batch",
        session_niceness=10,
        sessions_are_groups=True,
        cgroup="/system.slice/mooring.service",
        cgroup_weight=20,
        disk="best-effort: prio 7",
    )
    assert parse_priority("") == PriorityFacts()


def test_a_local_command_is_low_in_all_ways_and_we_are_not() -> None:
    before = (os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0))
    facts = read_priority(LocalRunner())
    assert facts.policy in {"batch", "idle"}
    assert facts.niceness == max(before[1], 10)
    assert facts.disk == "best-effort: prio 7"
    assert (os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)) == before


def test_the_session_of_a_command_and_of_a_private_server_is_lowered(tmp_path: Path) -> None:
    with LocalRunner().start(["sleep", "1000"], secret_files={}) as command:
        await_session(command.process[0], 10)
    with (tmp_path / "log").open("wb") as log:
        server = server_process.start(["sleep", "1000"], log)
    try:
        await_session(server.pid, 10)
    finally:
        server.kill()
        server.wait()


def test_every_thread_of_a_lowered_process_is_low() -> None:
    """As those are that compress: they inherit it from the thread that starts them."""
    run = "import sys, threading; from backups.runners.priority import lower_own_priority;"
    run += "lower_own_priority(); [threading.Thread(target=sys.stdin.read).start() for _ in 'ab'];"
    run += "print('ready', flush=True); sys.stdin.read()"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
    pipe = subprocess.PIPE
    argv = [sys.executable, "-c", run]
    with subprocess.Popen(argv, env=environment, stdin=pipe, stdout=pipe) as worker:
        assert worker.stdout is not None
        assert worker.stdin is not None
        worker.stdout.readline()
        expected = (os.SCHED_BATCH, max(os.getpriority(os.PRIO_PROCESS, 0), 10))
        assert len(os.listdir(f"/proc/{worker.pid}/task")) == 3
        assert thread_policies(worker.pid) == {expected}
        worker.stdin.close()


def test_turned_off_nothing_is_lowered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_LOW_PRIORITY", "no")
    with LocalRunner().start(["sleep", "1000"], secret_files={}) as command:
        lower_session(command.process[0])
        assert session_niceness(command.process[0]) == 0
    assert low_priority({"MOORING_LOW_PRIORITY": "off"}) == []
    assert "nice" not in build_script(["true"], {})


def test_what_a_host_does_not_allow_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    chrt = tmp_path / "chrt"
    chrt.write_text("#!/bin/sh\necho 'Operation not permitted' >&2\nexit 1\n")
    chrt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("os.sched_getscheduler", lambda pid: os.SCHED_OTHER)
    words = low_priority({})
    assert (words[0], "chrt" in words) == ("ionice", False)
    assert "chrt is left out, this host does not allow it: Operation not permitted" in caplog.text


def test_nor_is_it_used_on_another_host(tmp_path: Path) -> None:
    for name in ("chrt", "ionice"):
        refused = tmp_path / name
        refused.write_text("#!/bin/sh\nexit 1\n")
        refused.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    argv, pipe = ["sh", "-c", build_script(["nice"], {})], subprocess.PIPE
    # The command ends with its standard input.
    with subprocess.Popen(argv, env=environment, stdin=pipe, stdout=pipe) as command:
        assert command.stdout is not None
        assert int(command.stdout.read()) >= LOW_NICENESS


@pytest.mark.parametrize("leads", [True, False])
def test_only_a_session_of_ones_own_is_lowered(leads: bool) -> None:
    run = "import sys; from backups.runners.priority import lower_own_session;"
    run += "lower_own_session(); print('done', flush=True); sys.stdin.read()"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
    pipe = subprocess.PIPE
    argv = [sys.executable, "-c", run]
    # The other one is in the session of whoever runs the tests.
    before = session_niceness(os.getpid())
    with subprocess.Popen(
        argv, env=environment, stdin=pipe, stdout=pipe, start_new_session=leads
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        if leads:
            await_session(process.pid, 10)
        assert session_niceness(os.getpid()) == before
        process.stdin.close()


def test_a_remote_command_lowers_its_own_session() -> None:
    """Its script, run here: the server of tests/live runs the same through sshd."""
    look = ["cat", "/proc/self/stat", "/proc/self/autogroup"]
    pipe = subprocess.PIPE
    # Its input stays open: at its end, the script ends the command.
    with subprocess.Popen(
        ["sh", "-c", build_script(look, {})], stdin=pipe, stdout=pipe, start_new_session=True
    ) as script:
        assert script.stdout is not None
        facts = parse_priority(script.stdout.read().decode())
    assert facts.niceness == min(os.getpriority(os.PRIO_PROCESS, 0) + 10, 19)
    assert (facts.policy, facts.session_niceness) == ("batch", 10)
