"""How is the command of a hook run? In a session of its own, all of which ends with it.

It gets named variables only, no input, and a time limit. What it started is ended with it, so that
no part of it outlives the stage, and what it writes is read to the end but kept in parts.
"""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Protocol

from backups.exceptions import BadInput, RunnerError
from backups.hooks.definition import Hook, HookResult
from backups.hooks.output_lines import OutputLines
from backups.hooks.run_user import owner_of
from backups.hooks.trusted_file import check_program
from backups.runners.local import LocalCommand, spawn
from backups.runners.sandbox import Sandbox, confine, drop_rights, sandbox_works

LOOK_SECONDS = 0.2
# What a killed command may still have written.
MOST_LEFT = 4 << 20
CHUNK = 64 << 10


class HookWatch(Protocol):
    """Who waits for a hook."""

    def log(self, text: str) -> None:
        """Take a line of its output."""
        ...

    def check(self) -> None:
        """Raise if it must end now."""
        ...

    def started(self, group: int, started: float) -> None:
        """Record the processes that would be left if this process were killed."""
        ...


def run_command(hook: Hook, variables: Mapping[str, str], watch: HookWatch) -> HookResult:
    """Run a command to its end or its limit; raise what ``check`` does, with all of it ended."""
    try:
        argv = argv_of(hook)
        command = spawn(argv, environment=variables, folder=hook.folder)
    except (BadInput, RunnerError) as exc:
        return HookResult(f"could not be started: {exc}", began=False)
    lines = OutputLines(watch.log)
    with closing(command):
        watch.started(*command.process)
        exit_code = _follow(command, lines, hook.seconds, watch.check)
    lines.end()
    return _result(hook, exit_code, lines.last)


def argv_of(hook: Hook) -> list[str]:
    """Return the whole command; BadInput if it must not or cannot be run."""
    check_program(Path(hook.command[0]))
    owner = owner_of(hook.user)
    if not hook.confined:
        return [*drop_rights(owner), *hook.command]
    if not sandbox_works():
        raise BadInput(
            "this host cannot confine a command", hint="Install bubblewrap, or leave confined out."
        )
    program = Path(hook.command[0])
    folders = () if hook.folder == "/" else (Path(hook.folder),)
    return confine(hook.command, Sandbox(folders, readable=(program,), owner=owner))


def _follow(
    command: LocalCommand, lines: OutputLines, seconds: int, check: Callable[[], None]
) -> int | None:
    """Return the exit code; None if its time was over."""
    until = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for pipe in (command.stdout, command.stderr):
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe.fileno(), selectors.EVENT_READ)
        while (exit_code := _look(command, selector, lines)) is None:
            check()
            if time.monotonic() >= until:
                break
        # What it left running is ended, before the rest of its output is read.
        command.stop()
        for key in list(selector.get_map().values()):
            _drain(key.fd, lines)
    return exit_code


def _look(
    command: LocalCommand, selector: selectors.BaseSelector, lines: OutputLines
) -> int | None:
    """Read what is there, or wait for a moment; return the exit code once it has ended."""
    if not selector.get_map():
        # It has closed both: only its end is left.
        return command.wait_for(LOOK_SECONDS)
    for key, _ in selector.select(LOOK_SECONDS):
        if content := _read(key.fd):
            lines.feed(key.fd, content)
        elif content is not None:
            selector.unregister(key.fd)
    return command.wait_for(0)


def _read(output: int) -> bytes | None:
    """Return what is there; empty at the end, None if there is nothing now."""
    try:
        return os.read(output, CHUNK)
    except BlockingIOError:
        return None


def _drain(output: int, lines: OutputLines) -> None:
    left = MOST_LEFT
    while left > 0 and (content := _read(output)):
        lines.feed(output, content)
        left -= len(content)


def _result(hook: Hook, exit_code: int | None, last: str) -> HookResult:
    words = f": {last}" if last else ""
    if exit_code is None:
        return HookResult(f"did not end within {hook.seconds} s and was stopped{words}")
    if exit_code < 0:
        return HookResult(f"ended by signal {-exit_code}{words}")
    if exit_code:
        return HookResult(f"exit code {exit_code}{words}", exit_code)
    return HookResult(exit_code=0, found="exit code 0")
