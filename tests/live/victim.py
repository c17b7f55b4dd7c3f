"""Runs Mooring's commands in processes that begin as fast as a fork, so that tests may kill them.

A program of its own, told by lines of JSON what to run. It answers with two lines for each: the
process, as soon as it runs, and its exit code, once it has ended.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from datetime import timedelta

import django
from django.conf import settings
from django.core.management import execute_from_command_line

TICK = "tick"


def main() -> None:
    django.setup()
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _become(json.loads(line))
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(words: Sequence[str]) -> None:
    """Be one command, to the end of the process."""
    exit_code = 1
    # What it prints is nobody's: the pipe is for our answers.
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    try:
        if list(words) == [TICK]:
            _tick()
        else:
            execute_from_command_line(["manage.py", *words])
        exit_code = 0
    except SystemExit as exc:
        exit_code = exc.code if isinstance(exc.code, int) else 1
    finally:
        sys.stderr.flush()
        os._exit(exit_code)


def _tick() -> None:
    """Do what ticks do once a killed worker's lease has run out, without waiting for that."""
    from django.utils.timezone import now

    from backups.executor.execute import execute
    from backups.executor.leftovers import lose_expired, remove_leftovers
    from backups.jobs.wake import waiting_jobs

    lose_expired(now() + timedelta(seconds=settings.LEASE_SECONDS))
    remove_leftovers()
    # Killed between asking for a job and claiming it: a worker finds it in its row.
    for job in waiting_jobs(now()):
        execute(job)


if __name__ == "__main__":
    main()
