"""Runs Mooring's commands in processes that begin as fast as a fork, so that tests may kill them.

A program of its own: each line it reads is a file for the output and the words of a command, as
JSON. It answers with two lines for each: ``started`` and the process, as soon as it runs, and
``ended`` and its exit code.
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

from tests.live.held import hold

# Words that are none of Mooring's commands. A tick looks at what is, or at what will be once every
# lease has run out; what is held stands still at a stage: see tests/live/held.py.
TICK, LATE_TICK, HELD = "tick", "late tick", "held"


def main() -> None:
    django.setup()
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _become(*json.loads(line))
        print("started", pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print("ended", os.waitstatus_to_exitcode(status), flush=True)


def _become(output: str, words: Sequence[str]) -> None:
    """Be one command, to the end of the process."""
    exit_code = 1
    # The pipes are for our answers.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
    try:
        if words[0] in (TICK, LATE_TICK):
            _tick(settings.LEASE_SECONDS if words[0] == LATE_TICK else 0)
        elif words[0] == HELD:
            hold(*words[1:4])
            execute_from_command_line(["manage.py", *words[4:]])
        else:
            execute_from_command_line(["manage.py", *words])
        exit_code = 0
    except SystemExit as exc:
        exit_code = exc.code if isinstance(exc.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)


def _tick(later_seconds: int) -> None:
    """Do what ticks do that look for lost jobs and their leftovers.

    Not the tasks themselves: those wait a turn where nobody has ticked for a minute.
    """
    from django.utils.timezone import now

    from backups.executor.execute import execute
    from backups.executor.leftovers import lose_expired, remove_leftovers
    from backups.hooks.owed import run_owed
    from backups.jobs.wake import jobs_to_wake

    lose_expired(now() + timedelta(seconds=later_seconds))
    remove_leftovers()
    run_owed()
    # Killed between query_function for a job and claiming it: a worker finds it in its row.
    for job in jobs_to_wake(now()):
        execute(job)


if __name__ == "__main__":
    main()
