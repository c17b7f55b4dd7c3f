"""Which processes belong to a command, and how do all of them end?

A command leads a session of its own, so its processes are known by the session's number,
which the kernel gives to nobody else while one of them lives. What is recorded of a command
is that number and the time its leader started: together they are never mistaken for another
command's, even by a process that reads them long afterwards.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable

import psutil

# Start times are read from the kernel's clock, which can be set by a second or so.
START_TOLERANCE_SECONDS = 2.0


def start_time(pid: int) -> float:
    """Return when a process started, in seconds since the epoch; 0.0 when it is gone."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0


def list_members(group: int, started: float) -> list[psutil.Process]:
    """Return what is alive of the command whose leader was ``group`` and began at ``started``."""
    if group <= 1:
        # No command of ours: the kernel's own threads, or init's session.
        return []
    leader_started = start_time(group)
    if leader_started and abs(leader_started - started) > START_TOLERANCE_SECONDS:
        # The number was given away again, which happens only after the last member ended.
        return []
    return [each for each in psutil.process_iter() if _is_member(each, group)]


def end_group(group: int, started: float, *, patience_seconds: float = 1.0) -> bool:
    """End a command: ask, wait, insist. Return whether nothing of it is alive any more."""
    # Descendants that made a session of their own are found while their parent still lives.
    members = _with_descendants(list_members(group, started))
    _signal_all(members, kill=False)
    stubborn = _await_end(members, patience_seconds)
    if stubborn or list_members(group, started):
        members = _with_descendants([*stubborn, *list_members(group, started)])
        _signal_all(members, kill=True)
        _await_end(members, patience_seconds)
    return not list_members(group, started)


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
    """Return those still alive after ``seconds``.

    psutil's own waiting would bury our children and take their exit codes with it.
    """
    deadline = time.monotonic() + seconds
    while (alive := [each for each in members if _is_alive(each)]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.01)
    return alive


def _with_descendants(members: Iterable[psutil.Process]) -> list[psutil.Process]:
    found = set(members)
    for member in list(found):
        with contextlib.suppress(psutil.Error):
            found.update(member.children(recursive=True))
    return list(found)


def _signal_all(members: Iterable[psutil.Process], *, kill: bool) -> None:
    for member in members:
        # psutil compares the start time before it signals, so a reused number is safe.
        with contextlib.suppress(psutil.Error):
            if kill:
                member.kill()
            else:
                member.terminate()
