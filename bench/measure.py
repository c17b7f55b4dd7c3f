"""What did it cost: seconds, processor, memory, bytes?"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

# A high-water mark only rises: what is missed is what the last of these added.
SAMPLE_SECONDS = 0.02
LOG_LINES = 8
MIB = 2**20


class BenchError(Exception):
    """A program failed, so there is nothing to compare."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a piece of work took."""

    wall_s: float
    # The programs themselves, and whatever they waited for.
    cpu_s: float
    # The database server, meanwhile.
    server_cpu_s: float
    # How long the disk needed afterwards to catch up with what was written.
    flush_s: float

    def figures(self) -> dict[str, float]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Watched:
    """What a program said and used, and the most memory it and its children had resident."""

    output: str
    cpu_s: float
    peak_rss_bytes: int
    # By the name of the program.
    children_peak_rss_bytes: Mapping[str, int]


def measure(work: Callable[[], float], *, server_pid: int | None = None) -> Cost:
    """Run ``work``, which returns the processor seconds it used, on a disk at rest."""
    os.sync()
    server_before = _cpu_seconds(server_pid)
    began = time.perf_counter()
    cpu_s = work()
    ended = time.perf_counter()
    server_cpu_s = _cpu_seconds(server_pid) - server_before
    os.sync()
    return Cost(ended - began, cpu_s, server_cpu_s, time.perf_counter() - ended)


def run_watched(
    argv: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path
) -> Watched:
    """Run a program to its end; raise where it fails."""
    output = log.with_suffix(".out")
    with log.open("wb") as stderr, output.open("wb") as stdout:
        child = subprocess.Popen(
            argv,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
    with _Watch(child.pid) as watch:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    text = output.read_text(encoding="utf-8")
    if child.returncode:
        raise BenchError(f"{argv} ended with {child.returncode}:\n{text}{tail(log)}")
    cpu_s = usage.ru_utime + usage.ru_stime
    return Watched(text, cpu_s, watch.peak_bytes, watch.children)


def tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-LOG_LINES:])


def tree_bytes(folder: Path, pattern: str = "*") -> int:
    """Return the lengths of the files below ``folder``, added up."""
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())


class _Watch:
    """Reads the high-water marks of one process, and of its children, each for itself.

    The kernel's own accounting (wait4) answers with the largest of a process and all its
    children, and so cannot tell Mooring from the mariadb-backup that it runs.
    """

    def __init__(self, pid: int) -> None:
        self.peak_bytes = 0
        self.children: dict[str, int] = {}
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self.peak_bytes = max(self.peak_bytes, _status(self._pid)[1])
            for child in _children(self._pid):
                name, peak = _status(child)
                self.children[name] = max(self.children.get(name, 0), peak)


def _status(pid: int) -> tuple[str, int]:
    """Return a process's name and high-water mark; nothing of one that has gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", 0
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return fields["Name"].strip(), int(fields.get("VmHWM", "0 kB").split()[0]) * 1024


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += map(int, listed.read_text().split())
        except OSError:
            # That thread has just ended.
            continue
    return children


def _cpu_seconds(pid: int | None) -> float:
    if pid is None:
        return 0.0
    # The name, in brackets, may hold spaces; user and system time are fields 14 and 15.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
