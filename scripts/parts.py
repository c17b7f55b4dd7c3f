"""How is one part of a long run started, watched, ended and measured?

A part is a program. Its output is shown as it comes, or kept until it ends where several run at
the same time. Nothing here knows what the programs check.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scripts.console import heading, say
from scripts.processes import ROOT

# How long a run may be silent, and how long a part may take to end when asked.
PATIENCE_SECONDS = 8.0
GENTLE_SECONDS = 10.0
# A part that takes this long hangs: it is ended, and what it wrote until then says where.
LIMIT_SECONDS = 3600.0
# How long one that was ended at the limit may take to say what it knows.
LAST_WORDS_SECONDS = 60.0
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Part:
    """A program to run, what people call it, and what its environment has beside ours."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    # How it ends where all is well.
    exit_codes: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a part ended, how long it took, and how much CPU time it took."""

    part: Part
    exit_code: int
    seconds: float
    cpu_seconds: float

    @property
    def failed(self) -> bool:
        return self.exit_code not in self.part.exit_codes


class Watch:
    """Writes what is still running when nothing was written for a while."""

    def __init__(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self._working: dict[str, float] = {}
        self._changed = threading.Event()
        self._over = threading.Event()
        self._line_ended = True
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._changed.set()
        self._thread.join()

    def begin(self, name: str) -> None:
        self._working[name] = time.monotonic()

    def end(self, name: str) -> None:
        self._working.pop(name, None)

    def write(self, text: bytes) -> None:
        """Show what a part wrote."""
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
        self._line_ended = text.endswith(b"\n")
        self._changed.set()

    def _run(self) -> None:
        while not self._over.is_set():
            if self._changed.wait(self._patience_seconds):
                self._changed.clear()
                continue
            self._say()

    def _say(self) -> None:
        now = time.monotonic()
        working = [f"{name}, {now - began:.0f} s" for name, began in self._working.copy().items()]
        if not self._line_ended:
            self.write(b"\n")
        say(f"still running: {'; '.join(working)}")


class Running:
    """A part at work, in a process group of its own."""

    def __init__(self, part: Part, watch: Watch, *, shown: bool) -> None:
        self.part = part
        self._watch, self._shown = watch, shown
        self._began = self._ended = time.monotonic()
        self._kept = bytearray()
        watch.begin(part.name)
        # It goes with us, however we go.
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "--", *part.argv],
            cwd=ROOT,
            env={**os.environ, **part.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait(self, limit_seconds: float = LIMIT_SECONDS) -> Ended:
        """Return once it has ended, by itself or at the limit, and all that it wrote was read."""
        status, usage = self._wait_until(self._began + limit_seconds)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        # Whatever it left behind may keep the pipe open.
        self._reader.join(GENTLE_SECONDS)
        cpu_seconds = usage.ru_utime + usage.ru_stime
        seconds = self._ended - self._began
        return Ended(self.part, self._process.returncode, seconds, cpu_seconds)

    def _wait_until(self, limit: float) -> tuple[int, resource.struct_rusage]:
        """Wait for its end; at ``limit`` interrupt it, and later kill it with what it started."""
        for end, number, deadline in (
            (os.kill, signal.SIGINT, limit),
            (os.killpg, signal.SIGKILL, limit + LAST_WORDS_SECONDS),
        ):
            while time.monotonic() < deadline:
                pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
                if pid:
                    return status, usage
                time.sleep(POLL_SECONDS)
            self._watch.write(f"\n{self.part.name}: takes too long, ending it\n".encode())
            end(self._process.pid, number)
        _, status, usage = os.wait4(self._process.pid, 0)
        return status, usage

    def stop(self) -> None:
        """End it if it is at work, as Ctrl-C would, and then whatever it started."""
        if self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GENTLE_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def show(self) -> None:
        """Write what was kept."""
        self._watch.write(bytes(self._kept))

    def _read(self) -> None:
        assert self._process.stdout is not None
        while piece := os.read(self._process.stdout.fileno(), 65536):
            if self._shown:
                self._watch.write(piece)
            else:
                self._kept += piece
        self._ended = time.monotonic()
        self._watch.end(self.part.name)


def run_shown(part: Part, watch: Watch, limit_seconds: float = LIMIT_SECONDS) -> Ended:
    """Run one part and show what it writes as it comes."""
    heading(f"== {part.name}")
    running = Running(part, watch, shown=True)
    try:
        return running.wait(limit_seconds)
    finally:
        running.stop()


def run_beside(parts: Sequence[Part], watch: Watch) -> list[Ended]:
    """Run parts at the same time; show each when it has ended. The first failure ends all."""
    running = [Running(part, watch, shown=False) for part in parts]
    ended = []
    try:
        for started in running:
            ended.append(started.wait())
            heading(f"== {started.part.name}")
            started.show()
            if ended[-1].failed:
                break
    finally:
        for started in running:
            started.stop()
    return ended


def report(ended: Sequence[Ended]) -> None:
    """Write how long each part took."""
    heading("how long each part took")
    longest = max(len(outcome.part.name) for outcome in ended)
    for outcome in ended:
        result = "  FAILED" if outcome.failed else ""
        print(
            f"  {outcome.part.name:{longest}}  {_clock(outcome.seconds):>9}"
            f"  (CPU {_clock(outcome.cpu_seconds)}){result}",
            flush=True,
        )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{minutes:.0f} min {rest:.0f} s" if minutes else f"{rest:.1f} s"
