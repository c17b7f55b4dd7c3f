"""Which processes belong to a command, and how are all of them ended?

A command leads a session of its own, so its processes are identified by the session's number, which
the kernel does not reuse while one of them is alive. That number and the start time of its leader
are recorded: together they identify the command even long afterwards.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable

import psutil

# Start times come from the kernel's clock, which can be adjusted by a second or so.
START_TOLERANCE_SECONDS = 2.0


def start_time(pid: int) -> float:
    """Return when a process started, in seconds since the epoch; 0.0 if it has ended."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0


def list_members(group: int, started: float) -> list[psutil.Process]:
    """Return the live processes of the command whose leader ``group`` began at ``started``."""
    if group <= 1:
        # No command of ours: the kernel's own threads, or init's session.
        return []
    if started < _machine_started() - START_TOLERANCE_SECONDS:
        # The number was given out before this host or container was started, and ended with it.
        return []
    leader_started = start_time(group)
    if leader_started and abs(leader_started - started) > START_TOLERANCE_SECONDS:
        # The number was reused, which happens only after the last member has ended.
        return []
    return [process for process in psutil.process_iter() if _is_member(process, group)]


def end_group(group: int, started: float, *, patience_seconds: float = 1.0) -> bool:
    """End a command by TERM, then KILL. Return whether all its processes have ended."""
    # Descendants with a session of their own are found while their parent is still alive.
    members = _with_descendants(list_members(group, started))
    _signal_all(members, kill=False)
    stubborn = _await_end(members, patience_seconds)
    if stubborn or list_members(group, started):
        members = _with_descendants([*stubborn, *list_members(group, started)])
        _signal_all(members, kill=True)
        _await_end(members, patience_seconds)
    return not list_members(group, started)


def _machine_started() -> float:
    """Return when this host was started, or the container that this is."""
    try:
        first = start_time(1)
    except psutil.Error:
        # Hidden from other users.
        first = 0.0
    return max(first, psutil.boot_time())


def _is_member(process: psutil.Process, group: int) -> bool:
    try:
        return os.getsid(process.pid) == group and _is_alive(process)
    except (ProcessLookupError, PermissionError):
        return False


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _await_end(members: Iterable[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Return the processes still alive after ``seconds``.

    psutil's own wait would reap our children and lose their exit codes.
    """
    deadline = time.monotonic() + seconds
    while (alive := [member for member in members if _is_alive(member)]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.01)
    return alive


def _with_descendants(members: Iterable[psutil.Process]) -> list[psutil.Process]:
    family = set(members)
    for member in list(family):
        with contextlib.suppress(psutil.Error):
            family.update(member.children(recursive=True))
    return list(family)


def _signal_all(members: Iterable[psutil.Process], *, kill: bool) -> None:
    for member in members:
        # psutil compares the start time before it signals, so a reused number is safe.
        with contextlib.suppress(psutil.Error):
            if kill:
                member.kill()
            else:
                member.terminate()
