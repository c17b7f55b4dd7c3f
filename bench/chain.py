"""How do programs joined by pipes run without a shell, and how did each of them end?

Each is waited for by itself: every exit code is looked at, and the processor time is that of
these programs and of nothing else.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from bench.measure import BenchError, tail

NOWHERE = Path(os.devnull)
# A descriptor of ours, or a file that is open.
End = int | IO[bytes]


def run_chain(
    argvs: Sequence[Sequence[str]],
    *,
    logs: Path,
    source: Path = NOWHERE,
    sink: Path = NOWHERE,
    aside: Sequence[str] = (),
    aside_sink: Path = NOWHERE,
) -> float:
    """Run ``argvs`` as a shell's pipeline would; return their processor seconds.

    With ``aside``, the last of them gets ``/dev/fd/N`` as one more word, and ``aside`` reads
    what is written there: a shell's ``tee >(aside)``.
    """
    chain = _Chain(logs)
    try:
        # Our copies of the pipes close before anybody is waited for, or none would ever end.
        with ExitStack() as ours:
            stdin: End = ours.enter_context(source.open("rb"))
            for argv in argvs[:-1]:
                reading, writing = _pipe(ours)
                chain.start(argv, stdin, writing)
                stdin = reading
            stdout = ours.enter_context(sink.open("wb"))
            if aside:
                reading, writing = _pipe(ours)
                chain.start(aside, reading, ours.enter_context(aside_sink.open("wb")))
                chain.start([*argvs[-1], f"/dev/fd/{writing}"], stdin, stdout, (writing,))
            else:
                chain.start(argvs[-1], stdin, stdout)
        return chain.finish()
    finally:
        chain.abandon()


class _Chain:
    """Programs that run at once."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: list[tuple[subprocess.Popen[bytes], Path]] = []

    def start(
        self, argv: Sequence[str], stdin: End, stdout: End, pass_fds: Sequence[int] = ()
    ) -> None:
        log = self._logs / f"{Path(argv[0]).name}.log"
        with log.open("wb") as stderr:
            child = subprocess.Popen(
                argv, stdin=stdin, stdout=stdout, stderr=stderr, pass_fds=pass_fds
            )
        self._children.append((child, log))

    def finish(self) -> float:
        """Wait for all; return their processor seconds, or raise where any failed."""
        cpu_s = 0.0
        for child, _ in self._children:
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            cpu_s += usage.ru_utime + usage.ru_stime
        failed = [(child, log) for child, log in self._children if child.returncode]
        if failed:
            ends = [f"{log.stem} ended with {child.returncode}" for child, log in failed]
            raise BenchError("\n".join([*ends, *(tail(log) for _, log in failed)]))
        return cpu_s

    def abandon(self) -> None:
        """End whoever was not waited for."""
        for child, _ in self._children:
            if child.returncode is None:
                child.kill()
                child.wait()


def _pipe(ours: ExitStack) -> tuple[int, int]:
    reading, writing = os.pipe()
    ours.callback(os.close, reading)
    ours.callback(os.close, writing)
    return reading, writing
