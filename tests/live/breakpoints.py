"""A process of Mooring whose jobs stand still at a stage on command.

    python -m tests.live.breakpoints worker …     Celery's words
    python -m tests.live.breakpoints commands     reads lines of words, forks a command for each

In MOORING_HOME the file ``break`` names where, as ``operation/stage``; ``reached`` appears when
a job is there, and ``go`` lets it go on. Nothing of the product knows of this: the stages of the
table are wrapped here, in the process of a test.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import psutil

# Where a stage stands still: once it looks whether it must stop, or its program writes a line.
# All others do so before their work.
INSIDE = {
    "copy": "check",
    "extract": "check",
    "prepare": "log",
    "hand over": "check",
    "read packs": "check",
    "merge": "check",
    "start server": "check",
    "start once": "check",
    "check tables": "check",
    "clean shutdown": "check",
    "upgrade": "check",
    "start upgraded": "check",
    "check upgraded": "check",
}
# What these have started would go on meanwhile; others are held by their pipe, or wait for us.
FROZEN = {
    "prepare", "start server", "start once", "clean shutdown", "upgrade", "start upgraded",
}  # fmt: skip


class Breakpoint:
    """A stage that may stand still. Any: work is of a type each operation has its own of."""

    def __init__(self, stage: Any, operation: str) -> None:
        self._stage, self._place = stage, f"{operation}/{stage.name}"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage, name)

    def run(self, run: Any, work: Any) -> str:
        if self._is_wanted():
            if how := INSIDE.get(self._stage.name):
                self._stand_still_at(run, how)
            else:
                stand_still()
        return str(self._stage.run(run, work))

    def _is_wanted(self) -> bool:
        try:
            return (_home() / "break").read_text() == self._place
        except FileNotFoundError:
            return False

    def _stand_still_at(self, run: Any, how: str) -> None:
        method = getattr(run, how)
        # Whoever was given the method keeps calling it: it stands still once.
        once = threading.Lock()

        def first(*words: Any, **named: Any) -> Any:
            # What the stage itself writes comes before its program: there is nothing to kill yet.
            early = how == "log" and words[0] == self._stage.name
            if not early and once.acquire(blocking=False):
                with _frozen() if self._stage.name in FROZEN else nullcontext():
                    stand_still()
            return method(*words, **named)

        setattr(run, how, first)


def stand_still() -> None:
    """Say that we are there, and wait."""
    home = _home()
    (home / "break").unlink()
    (home / "reached").touch()
    while not (home / "go").exists():
        time.sleep(0.02)


def set_breakpoints() -> None:
    from backups.executor.operations import PLANS
    from tests.backups.stage_lists import set_stages

    for operation, plan in list(PLANS.items()):
        set_stages(operation, [Breakpoint(stage, operation.value) for stage in plan.known_stages])


@contextmanager
def _frozen() -> Iterator[None]:
    engines: list[psutil.Process] = []
    # What a sandbox runs stands below it: nothing new can start once those above stand still.
    while new := [
        process for process in psutil.Process().children(recursive=True) if process not in engines
    ]:
        for engine in new:
            with suppress(psutil.NoSuchProcess):
                engine.suspend()
        engines += new
    try:
        yield
    finally:
        for engine in engines:
            if engine.is_running():
                engine.resume()


def _home() -> Path:
    return Path(os.environ["MOORING_HOME"])


def serve_commands() -> None:
    """Fork a command for each line: what a shell would start, without starting Python again."""
    # Nobody waits for the children: they say by a file how they ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        number, *words = json.loads(line)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _run_command(_home() / "said" / str(number), words)


def _run_command(said: Path, words: list[str]) -> None:
    from django.core.management import execute_from_command_line

    for descriptor, suffix in ((1, ".out"), (2, ".err")):
        os.dup2(os.open(f"{said}{suffix}", os.O_WRONLY | os.O_CREAT), descriptor)
    code = 0
    try:
        if words == ["tick"]:
            _tick()
        else:
            execute_from_command_line(["manage.py", *words])
    except SystemExit as exc:
        code = int(exc.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 99
    sys.stdout.flush()
    sys.stderr.flush()
    said.with_suffix(".end").write_text(str(code))
    os._exit(0)


def _tick() -> None:
    from django.utils.timezone import now

    from backups.executor.leftovers import lose_expired, remove_leftovers
    from backups.tasks import wake_waiting_jobs

    # Not the tick itself: that one waits a turn where nobody has ticked for a minute.
    lose_expired(now())
    remove_leftovers()
    wake_waiting_jobs()


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "monitor.settings")
    django.setup()
    from monitor.celery import app

    set_breakpoints()
    what, *words = sys.argv[1:]
    if what == "commands":
        # Everything a command may need is loaded once.
        from backups.management import copy_command  # noqa: F401

        serve_commands()
    else:
        app.worker_main([what, *words])


if __name__ == "__main__":
    main()
