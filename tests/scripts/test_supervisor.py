"""The supervisor, with real children that end as the test decides."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from scripts.console import SetupError
from scripts.processes import ROOT, Child
from scripts.supervisor import Supervisor

SLEEPER = ("sleep", "600")
# Reports that it is ready for a signal, and then ignores it.
STUBBORN = ("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done")
KEEP_AND_BE_KILLED = """
import os, signal, sys
from pathlib import Path
from scripts.processes import Child
from scripts.supervisor import Supervisor
one = Child("one", ("sh", "-c", "echo ready; exec sleep 600"), ready_words="ready")
kept = Supervisor([one], log_folder=Path(sys.argv[1]), environment=os.environ, patience_seconds=1)
kept.start(lambda: True)
print(kept.kept[0].pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""

Start = Callable[..., Supervisor]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Supervisor] = []

    def starter(*children: Child, patience_seconds: float = 10) -> Supervisor:
        supervisor = Supervisor(
            children,
            log_folder=tmp_path,
            environment={"PATH": "/usr/bin:/bin"},
            patience_seconds=patience_seconds,
        )
        started.append(supervisor)
        return supervisor

    yield starter
    for supervisor in started:
        supervisor.stop()


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def tended(supervisor: Supervisor) -> Supervisor:
    supervisor.tend()
    return supervisor


def test_only_what_yields_to_servers_gets_a_low_session(start: Start) -> None:
    supervisor = start(Child("low", SLEEPER, low=True), Child("usual", SLEEPER))
    supervisor.start(lambda: True)
    low, usual = (kept.pid for kept in supervisor.kept)
    wait_until(lambda: session_of(low).endswith(" nice 10"))
    assert session_of(usual).endswith(" nice 0")


def session_of(pid: int) -> str:
    return Path(f"/proc/{pid}/autogroup").read_text(encoding="utf-8").strip()


def test_a_child_that_dies_is_started_again(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor = start(Child("one", SLEEPER))
    supervisor.start(lambda: True)
    first = supervisor.kept[0].pid
    psutil.Process(first).kill()
    wait_until(lambda: supervisor.kept[0].exit_code is not None)
    supervisor.tend()
    wait_until(lambda: tended(supervisor).kept[0].running)
    assert supervisor.kept[0].pid != first
    said = capsys.readouterr().err
    assert "one ended with -9; started again in 1 s" in said
    assert "one started again" in said


def test_each_pause_is_longer_than_the_one_before(start: Start) -> None:
    kept = start(Child("one", SLEEPER)).kept[0]
    assert [kept.plan_restart() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_one_that_dies_at_once_is_an_error_with_its_log(start: Start) -> None:
    supervisor = start(Child("one", SLEEPER), Child("two", ("sh", "-c", "echo no luck; exit 3")))
    with pytest.raises(SetupError, match=r"(?s)two ended with 3 .*no luck"):
        supervisor.start(lambda: False)


def test_it_waits_for_the_words_of_this_run(start: Start, tmp_path: Path) -> None:
    (tmp_path / "one.log").write_text("worker ready.\n")
    loud = Child("one", ("sh", "-c", "exit 4"), ready_words=" ready.")
    with pytest.raises(SetupError, match="one ended with 4"):
        start(loud).start(lambda: True)
    works = Child("two", ("sh", "-c", "echo worker ready.; exec sleep 600"), ready_words=" ready.")
    supervisor = start(works)
    supervisor.start(lambda: True)
    assert supervisor.kept[0].running


def test_what_the_others_need_stops_last(start: Start, tmp_path: Path) -> None:
    note = tmp_path / "order"
    farewell = "trap 'echo {0} >>{1}; exit' TERM; echo ready; while :; do sleep 0.05; done"
    children = [
        Child(name, ("sh", "-c", farewell.format(name, note)), stops_last=name == "redis")
        for name in ("redis", "web", "worker")
    ]
    supervisor = start(*children)
    supervisor.start(lambda: all("ready" in kept.log.tail() for kept in supervisor.kept))
    supervisor.stop()
    assert note.read_text().split()[-1] == "redis"
    assert sorted(note.read_text().split()) == ["redis", "web", "worker"]


def test_all_are_stopped_at_once(start: Start) -> None:
    # Each waits until it sees that the other has been asked to end, too.
    pair = "trap 'touch {0}; until test -e {1}; do sleep 0.05; done; exit' TERM; echo ready; {2}"
    supervisor = start(patience_seconds=3600)
    folder = supervisor.log_folder
    for one, other in (("a", "b"), ("b", "a")):
        words = pair.format(folder / one, folder / other, "while :; do sleep 0.05; done")
        supervisor.add(Child(one, ("sh", "-c", words)))
    wait_until(lambda: all("ready" in kept.log.tail() for kept in supervisor.kept))
    supervisor.stop()
    assert [kept.exit_code for kept in supervisor.kept] == [0, 0]


def test_a_request_to_stop_ends_the_sleep_of_run(start: Start) -> None:
    supervisor = start(Child("one", SLEEPER))
    supervisor.start(lambda: True)
    supervisor.request_stop()
    supervisor.run()
    assert supervisor.kept[0].running


def test_a_large_log_is_emptied_while_its_process_writes(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.logs.LARGEST_BYTES", 1000)
    lines = "i=0; while :; do i=$((i+1)); echo line $i of the log of one; sleep 0.001; done"
    supervisor = start(Child("one", ("sh", "-c", lines)))
    supervisor.start(lambda: True)
    log = supervisor.kept[0].log.path
    kept = log.with_suffix(".log.1")
    wait_until(lambda: tended(supervisor).kept[0].running and kept.exists())
    rotated = kept.read_text()
    wait_until(lambda: kept.read_text() != rotated or not tended(supervisor))
    supervisor.stop()
    # It goes on at the beginning of the file, not behind a hole as large as what was there.
    assert log.read_bytes()[:1] != b"\0"
    assert log.stat().st_size + kept.stat().st_size < 20_000
    assert len(list(log.parent.iterdir())) == 2


def test_one_that_does_not_listen_is_ended(start: Start) -> None:
    stubborn = Child("one", STUBBORN, impatient_signal=signal.SIGKILL)
    supervisor = start(stubborn, patience_seconds=0)
    supervisor.start(lambda: "ready" in supervisor.kept[0].log.tail())
    pid = supervisor.kept[0].pid
    supervisor.stop()
    assert not psutil.pid_exists(pid)


def test_asked_twice_it_does_not_wait(start: Start) -> None:
    stubborn = Child("one", STUBBORN, impatient_signal=signal.SIGKILL)
    supervisor = start(stubborn, patience_seconds=3600)
    supervisor.start(lambda: "ready" in supervisor.kept[0].log.tail())
    supervisor.request_stop()
    supervisor.request_stop()
    began = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - began < 60


def test_grandchildren_go_too(start: Start) -> None:
    supervisor = start(Child("one", ("sh", "-c", "sleep 600 & echo $!; exec sleep 600")))
    supervisor.start(lambda: supervisor.kept[0].log.tail().strip().isdigit())
    grandchild = psutil.Process(int(supervisor.kept[0].log.tail()))
    supervisor.stop()
    assert psutil.wait_procs([grandchild], timeout=10)[1] == []


def test_errors_in_a_log_are_shown_once(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    line = "12:00 ERROR no route to the shop"
    supervisor = start(Child("one", ("sh", "-c", f"echo fine; echo '{line}'; exec sleep 600")))
    supervisor.start(lambda: "ERROR" in supervisor.kept[0].log.tail())
    supervisor.tend()
    supervisor.tend()
    assert capsys.readouterr().err.count(line) == 1


def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", KEEP_AND_BE_KILLED, str(tmp_path)]
    ended = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL
    pid = int(ended.stdout)
    if psutil.pid_exists(pid):
        assert psutil.wait_procs([psutil.Process(pid)], timeout=10)[1] == []
