"""How ``./mooring`` speaks: one line for each thing it does, a cause and a way out on failure."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


class SetupError(Exception):
    """Something about this machine keeps Mooring from running; ``hint`` says what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def _coloured(text: str, code: str) -> str:
    plain = not sys.stderr.isatty() or "NO_COLOR" in os.environ
    return text if plain else f"\033[{code}m{text}\033[0m"


def say(text: str) -> None:
    """Write a line for people; standard output stays free for answers."""
    print(f"{_coloured('mooring', '36')}  {text}", file=sys.stderr, flush=True)


def heading(text: str) -> None:
    print(f"\n{_coloured(text, '1')}", file=sys.stderr, flush=True)


def good(text: str) -> str:
    return _coloured(text, "32")


def bad(text: str) -> str:
    return _coloured(text, "31")


def complain(message: str, hint: str = "") -> None:
    """Say what went wrong, and what can be done."""
    print(f"{bad('mooring: error:')} {message}", file=sys.stderr, flush=True)
    if hint:
        print(f"  HINT: {hint}", file=sys.stderr, flush=True)


def give_up(message: str, hint: str = "") -> NoReturn:
    complain(message, hint)
    raise SystemExit(1)


@contextmanager
def timed(text: str) -> Iterator[None]:
    """Say what is being done, then how long it took."""
    began = time.monotonic()
    say(f"{text} …")
    yield
    say(f"{text}: done in {time.monotonic() - began:.1f} s")
