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
        while running := [each for each in _family() if each.status() != psutil.STATUS_STOPPED]:
            _signal(running, signal.SIGSTOP)
        yield
    finally:
        _signal(_family(), signal.SIGCONT)


def _family() -> list[psutil.Process]:
    family = psutil.Process().children(recursive=True)
    return [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def _signal(family: list[psutil.Process], number: signal.Signals) -> None:
    for each in family:
        with suppress(psutil.NoSuchProcess):
            each.send_signal(number)
