"""How is a call made that may never return, by a thread that has to go on?

A thread in a call to a hanging mount cannot be ended, and no signal wakes it. So such calls are
made by threads of their own, which may hang: who wants the result waits as long as the call moves,
then goes on without it. Until the call returns, others to the same place fail at once: one hanging
mount holds up nobody twice, and costs as many threads as were in it.

A call moves if its thread ran: it used the processor, or waited for something and was woken.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar, cast

from backups.exceptions import RepositoryError

logger = logging.getLogger(__name__)

T = TypeVar("T")
# Shorter than the minute after which an NFS client repeats a request, and its thread runs.
STALL_SECONDS = 45.0
LOOK_SECONDS = 0.5
HINT = "Check the server of that mount and the kernel log of this host."


class DoesNotAnswer(RepositoryError):
    """A call to a place has not returned."""


@dataclass
class _Hanging:
    """What hangs at a place."""

    since: datetime
    calls: int = 0
    # What is done there once it answers again.
    later: list[Callable[[], object]] = field(default_factory=list)


@dataclass
class _ApartTask:
    """One call and its result."""

    place: str
    run: Callable[[], object]
    # Any: of the type that the call returns.
    result: Future[Any] = field(default_factory=Future)
    is_given_up: bool = False
    # Called with a result that comes too late.
    undo: Callable[[Any], object] | None = None


class _ApartThread:
    """A thread that makes one call after the other, and may hang in one."""

    def __init__(self, owner: Apart) -> None:
        self._owner = owner
        self._tasks: SimpleQueue[_ApartTask] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="apart", daemon=True)
        self._thread.start()

    def begin(self, task: _ApartTask) -> None:
        self._tasks.put(task)

    def trace(self) -> str:
        """Return what changes whenever the thread runs."""
        path = Path(f"/proc/self/task/{self._thread.native_id}/status")
        try:
            return path.read_text(encoding="ascii", errors="replace").partition("voluntary_")[2]
        except OSError:
            return ""

    def _run(self) -> None:
        while True:
            task = self._tasks.get()
            result: object = None
            try:
                result = task.run()
            except BaseException as exc:
                task.result.set_exception(exc)
            else:
                task.result.set_result(result)
            self._owner.ended(self, task)
            # What it refers to, an open file or what was read, is not ours to keep.
            del task, result


class Apart:
    """The threads of this process that make such calls."""

    def __init__(self) -> None:
        self._state = threading.Lock()
        self._idle: list[_ApartThread] = []
        self._hanging: dict[str, _Hanging] = {}

    def call(
        self, place: str, work: Callable[[], T], undo: Callable[[T], object] | None = None
    ) -> T:
        """Return what ``work`` returns; DoesNotAnswer if it hangs, or another call there does.

        ``undo`` is called with what it returns too late.
        """
        with self._state:
            self._refuse_hanging(place)
            thread, task = self._begin(place, work)
            task.undo = undo
        return cast(T, self._await(thread, task))

    def later(self, place: str, work: Callable[[], object]) -> None:
        """Do something at once, or when the place answers again; nobody waits for it then."""
        with self._state:
            if (hanging := self._hanging.get(place)) is not None:
                hanging.later.append(work)
                return
            thread, task = self._begin(place, work)
        # If it hangs, it ends when the place answers.
        with contextlib.suppress(DoesNotAnswer):
            self._await(thread, task)

    def ended(self, thread: _ApartThread, task: _ApartTask) -> None:
        """Take a thread back; if it was given up, its place answers again."""
        later: list[Callable[[], object]] = []
        with self._state:
            if task.is_given_up:
                hanging = self._hanging[task.place]
                hanging.calls -= 1
                if task.undo is not None and task.result.exception() is None:
                    hanging.later.append(partial(task.undo, task.result.result()))
                if not hanging.calls:
                    later = self._hanging.pop(task.place).later
        if task.is_given_up:
            logger.warning("%s answers again", task.place, extra={"action": "repository_answers"})
        for work in later:
            try:
                self.later(task.place, work)
            except Exception as exc:
                logger.warning(
                    "%s: %s", task.place, exc, extra={"action": "repository_late_call_failed"}
                )
        with self._state:
            self._idle.append(thread)

    def _begin(self, place: str, work: Callable[[], object]) -> tuple[_ApartThread, _ApartTask]:
        thread = self._idle.pop() if self._idle else _ApartThread(self)
        task = _ApartTask(place, work)
        thread.begin(task)
        return thread, task

    def _await(self, thread: _ApartThread, task: _ApartTask) -> object:
        """Wait for a call as long as it moves."""
        moved, trace = time.monotonic(), ""
        while True:
            try:
                return task.result.result(LOOK_SECONDS)
            except TimeoutError:
                if task.result.done():
                    # It has just returned, or raised an error of its own.
                    return task.result.result()
            if (now_at := thread.trace()) != trace:
                moved, trace = time.monotonic(), now_at
            elif time.monotonic() - moved > STALL_SECONDS and self._give_up(task):
                raise self._error(task.place)

    def _give_up(self, task: _ApartTask) -> bool:
        """Leave a call alone; False if it has just returned."""
        with self._state:
            if task.result.done():
                return False
            task.is_given_up = True
            hanging = self._hanging.setdefault(task.place, _Hanging(datetime.now(UTC)))
            hanging.calls += 1
            return True

    def _refuse_hanging(self, place: str) -> None:
        if place in self._hanging:
            raise self._error(place)

    def _error(self, place: str) -> DoesNotAnswer:
        since = self._hanging[place].since
        return DoesNotAnswer(
            f"{place} does not answer since {since:%Y-%m-%d %H:%M:%S} UTC", hint=HINT
        )


_apart = Apart()


def call(place: str, work: Callable[[], T], undo: Callable[[T], object] | None = None) -> T:
    """Return what ``work`` returns; DoesNotAnswer if it, or another call to ``place``, hangs.

    ``undo`` is called with what it returns too late.
    """
    return _apart.call(place, work, undo)


def later(place: str, work: Callable[[], object]) -> None:
    """Do something at once, or when ``place`` answers again; nobody waits for it then."""
    _apart.later(place, work)


def _forget() -> None:
    global _apart
    _apart = Apart()


# A forked process has none of these threads.
os.register_at_fork(after_in_child=_forget)
