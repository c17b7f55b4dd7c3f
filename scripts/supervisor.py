"""Keep a few processes running, say what happens to them, and leave nothing behind.

Every child dies with this process, however it ends: the kernel sees to it. What a child
writes goes to its log file, which is kept small; errors among it are shown here as well.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from backups.runners.priority import lower_session
from scripts.bell import Bell
from scripts.console import SetupError, say
from scripts.logs import LogFile
from scripts.processes import ROOT, Child

# How long a child that died waits before it is started again: longer each time, and short
# again once it has run for STEADY_SECONDS.
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0
GENTLE_SECONDS = 15.0
# While something is waited for; and while nothing happens.
POLL_SECONDS = 0.1
LOOK_SECONDS = 2.0


class Kept:
    """A child, its process while it has one, and when it may start again."""

    def __init__(self, child: Child, log: LogFile, environment: Mapping[str, str]) -> None:
        self.child = child
        self.log = log
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = time.monotonic()
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self.restart_at = 0.0

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        return self._process.poll() if self._process else None

    @property
    def ready(self) -> bool:
        return self.log.says(self.child.ready_words)

    def start(self) -> None:
        self._started_at = time.monotonic()
        argv = ["setpriv", "--pdeathsig", self.child.orphan_signal.name.removeprefix("SIG"), "--"]
        with self.log.open() as output:
            self._process = subprocess.Popen(
                [*argv, *self.child.argv],
                cwd=ROOT,
                env=self.child.environment(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C goes to us alone; we stop the children in our order.
                start_new_session=True,
            )
        if self.child.low:
            lower_session(self._process.pid)

    def plan_restart(self) -> float:
        """Return in how many seconds the child, which has just died, starts again."""
        now = time.monotonic()
        if now - self._started_at >= STEADY_SECONDS:
            self._pause_seconds = FIRST_PAUSE_SECONDS
        pause, self.restart_at = self._pause_seconds, now + self._pause_seconds
        self._pause_seconds = min(self._pause_seconds * 2, LONGEST_PAUSE_SECONDS)
        self._process = None
        return pause

    def signal(self, number: signal.Signals) -> None:
        if self._process and self.running:
            self._process.send_signal(number)

    def wait(self, seconds: float) -> bool:
        """Return whether the child has ended within ``seconds``."""
        try:
            if self._process:
                self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill_group(self) -> None:
        """End what is left of it: its own children share its process group."""
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self._process.wait()


class Supervisor:
    """Starts children together, restarts them, and stops them together."""

    def __init__(
        self,
        children: Sequence[Child],
        *,
        log_folder: Path,
        environment: Mapping[str, str],
        patience_seconds: float,
        on_start: Callable[[list[int]], None] = lambda _pids: None,
    ) -> None:
        """``on_start`` gets the pids of all children whenever one of them has started."""
        self.log_folder = log_folder
        self._environment = environment
        self.kept = [self._keep(child) for child in children]
        self._patience_seconds = patience_seconds
        self._on_start = on_start
        self._bell = Bell()
        self.stop_requested = False
        self._hurry = False

    def _keep(self, child: Child) -> Kept:
        return Kept(child, LogFile(self.log_folder / f"{child.name}.log"), self._environment)

    def add(self, child: Child) -> None:
        """Start one more child."""
        self.kept.append(self._keep(child))
        self._start(self.kept[-1])

    def _start(self, kept: Kept) -> None:
        kept.start()
        self._on_start([one.pid for one in self.kept if one.pid])

    def request_stop(self) -> None:
        """Ask for the end; asked a second time, stop waiting for running jobs."""
        self._hurry = self.stop_requested
        self.stop_requested = True
        self._bell.ring()

    def start(self, ready: Callable[[], bool]) -> None:
        """Start every child and return once all are ready for work, and ``ready`` says so too.

        One that dies before that is an error.
        """
        for kept in self.kept:
            self._start(kept)
        while not (all(kept.ready for kept in self.kept) and ready()):
            for kept in self.kept:
                if (code := kept.exit_code) is not None:
                    raise SetupError(
                        f"{kept.child.name} ended with {code} right after its start:\n"
                        f"{kept.log.tail()}",
                        hint=f"The whole log is {kept.log.path}.",
                    )
            if self.stop_requested:
                return
            self._sleep(POLL_SECONDS)

    def run(self) -> None:
        """Keep the children running until a stop is requested."""
        while not self.stop_requested:
            self.tend()
            down = [kept.restart_at for kept in self.kept if not kept.running]
            self._sleep(max(min([LOOK_SECONDS, *(at - time.monotonic() for at in down)]), 0))

    def _sleep(self, seconds: float) -> None:
        """Sleep, but not over the end of a child or a request to stop."""
        self._bell.wait([kept.pid for kept in self.kept if kept.running], seconds)

    def tend(self) -> None:
        """Look once at every child: show its errors, start it again where it died."""
        for kept in self.kept:
            self._tend_log(kept)
            if kept.exit_code is not None:
                code, pause = kept.exit_code, kept.plan_restart()
                say(f"{kept.child.name} ended with {code}; started again in {pause:.0f} s")
                say(f"its last lines, of {kept.log.path}:\n{kept.log.tail(4)}")
            elif not kept.running and time.monotonic() >= kept.restart_at:
                self._start(kept)
                say(f"{kept.child.name} started again")

    def _tend_log(self, kept: Kept) -> None:
        for line in kept.log.new_errors():
            say(f"{kept.child.name}: {line}")
        if fault := kept.log.rotate():
            say(f"{kept.log.path} grew too large and was emptied without a copy: {fault}")

    def stop(self) -> None:
        """Stop what was started, all at once; running jobs may finish within the patience.

        What the others need goes after them.
        """
        until = time.monotonic() + max(self._patience_seconds, 1)
        for last in (False, True):
            self._stop([kept for kept in self.kept if kept.child.stops_last == last], until)

    def _stop(self, group: Sequence[Kept], until: float) -> None:
        for kept in group:
            kept.signal(kept.child.stop_signal)
        while any(kept.running for kept in group):
            if self._hurry or time.monotonic() > until:
                self._end_impatiently([kept for kept in group if kept.running])
                break
            self._sleep(POLL_SECONDS)
        for kept in group:
            kept.kill_group()

    def _end_impatiently(self, busy: Sequence[Kept]) -> None:
        for kept in busy:
            say(f"{kept.child.name} is still running; ended without waiting for it")
            kept.signal(kept.child.impatient_signal)
        until = time.monotonic() + GENTLE_SECONDS
        for kept in busy:
            kept.wait(max(until - time.monotonic(), 0))
