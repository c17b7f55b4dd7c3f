"""A machine that is suspended: everything on it stands still, but for the test."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil


@contextmanager
def suspended() -> Iterator[None]:
    """Let all processes that this one has started, and theirs, stand still inside."""
    try:
        while running := [
            process for process in _family() if process.status() != psutil.STATUS_STOPPED
        ]:
            _signal(running, signal.SIGSTOP)
        yield
    finally:
        _signal(_family(), signal.SIGCONT)


def _family() -> list[psutil.Process]:
    family = psutil.Process().children(recursive=True)
    return [
        process
        for process in family
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ]


def _signal(family: list[psutil.Process], number: signal.Signals) -> None:
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
