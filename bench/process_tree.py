"""What do a process and all its descendants use: memory, processor, bytes written, wake-ups?"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Used:
    """The counters of one process since its start."""

    cpu_s: float = 0.0
    written_bytes: int = 0
    wakeups: int = 0


def tree(pid: int) -> list[int]:
    """Return the process and its descendants."""
    root = psutil.Process(pid)
    return [pid, *(child.pid for child in root.children(recursive=True))]


def pss_bytes(pid: int) -> int:
    """Return a process's memory, with what it shares divided among those that share it."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    (line,) = (line for line in text.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) * 1024


def name_of(pid: int) -> str:
    """Return which of Mooring's processes this is, as its command line tells."""
    words = psutil.Process(pid).cmdline()
    for mark in ("--hostname", "-m"):
        if mark in words:
            return words[words.index(mark) + 1].partition("@")[0]
    return Path(words[0]).name if words else "?"


def read_used(pids: list[int]) -> Mapping[int, Used]:
    """Read the counters; a process that has gone meanwhile counts for nothing."""
    used = {}
    for pid in pids:
        with suppress(OSError):
            used[pid] = Used(_cpu_s(pid), _written_bytes(pid), _wakeups(pid))
    return used


def used_between(before: Mapping[int, Used], after: Mapping[int, Used]) -> Used:
    """Return what was used meanwhile, also by processes that began meanwhile."""
    pairs = [(before.get(pid, Used()), used) for pid, used in after.items()]
    return Used(
        sum(new.cpu_s - old.cpu_s for old, new in pairs),
        sum(new.written_bytes - old.written_bytes for old, new in pairs),
        sum(new.wakeups - old.wakeups for old, new in pairs),
    )


def _cpu_s(pid: int) -> float:
    # The name, in brackets, may hold spaces; then fields 14 and 15 are user and system time.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _written_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
    return int(dict(line.split(": ") for line in lines)["write_bytes"])


def _wakeups(pid: int) -> int:
    """Count how often its threads went to sleep by themselves: each had been woken before."""
    count = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        with suppress(OSError):
            text = status.read_text(encoding="utf-8", errors="replace")
            count += int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return count
