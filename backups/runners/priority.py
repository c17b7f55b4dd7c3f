"""How does what runs on the host of a server leave processor and disk to that server?

Four means, because each of them has its limits:

- ``nice`` weighs threads of one scheduling group against each other;
- SCHED_BATCH tells the kernel not to let a thread interrupt another that waits for a client;
- the nice value of the *session* weighs whole sessions, where the kernel makes a group of each
  (autogroups, sched(7)): there ``nice`` alone does nothing between a session and another;
- the disk priority counts where the disk's scheduler reads it.

Threads and children inherit all but the session's. Which of them are in force is read by
``priority_facts``. ``MOORING_LOW_PRIORITY=no`` leaves everything as it is.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import subprocess
import threading
from collections.abc import Mapping

import psutil

logger = logging.getLogger(__name__)

LOW_NICENESS = 10
LOWEST_BEST_EFFORT = 7
# The kernel lets users other than root change one session in a tenth of a second, all together.
RETRY_SECONDS = 0.15
ATTEMPTS = 20


def low_priority_wanted(environment: Mapping[str, str] | None = None) -> bool:
    """Return whether commands and workers are to yield to servers; the settings refuse nonsense."""
    text = (os.environ if environment is None else environment).get("MOORING_LOW_PRIORITY", "")
    return text.strip().lower() not in {"0", "no", "false", "off"}


def lower_own_priority() -> None:
    """Leave the processor and the disk to a server on this host, for as long as this thread lives.

    It, and every thread and process that it starts from now on. What somebody has set lower
    stays. A kernel that does not allow it is no obstacle.
    """
    if not low_priority_wanted():
        return
    with contextlib.suppress(OSError):
        niceness = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, 0, max(niceness, LOW_NICENESS))
    with contextlib.suppress(OSError):
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    with contextlib.suppress(OSError, psutil.Error):
        thread = psutil.Process(threading.get_native_id())
        if thread.ionice().ioclass in {psutil.IOPRIO_CLASS_NONE, psutil.IOPRIO_CLASS_BE}:
            thread.ionice(psutil.IOPRIO_CLASS_BE, LOWEST_BEST_EFFORT)


def lower_own_session() -> None:
    """Lower the session of this process, if it began it and no terminal belongs to it.

    Any other session has processes that are not ours, a person's shell first of all.
    """
    if low_priority_wanted() and os.getsid(0) == os.getpid() and not _has_terminal():
        lower_session(os.getpid())


def lower_session(leader: int) -> None:
    """Lower the weight of the session that process ``leader`` has begun. Never raises.

    Returns at once: what the kernel refuses for the moment is tried again in the background.
    """
    if not low_priority_wanted():
        return
    try:
        # Held open, it means this very process: the number may be another's by the next attempt.
        place = os.open(f"/proc/{leader}/autogroup", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return  # a kernel without such groups, or the process has ended
    if _try_to_lower(place):
        os.close(place)
    else:
        _retry_later(place, ATTEMPTS)


def low_priority(environment: Mapping[str, str]) -> list[str]:
    """Return what is put in front of a command that another program starts."""
    if not low_priority_wanted(environment):
        return []
    more = max(LOW_NICENESS - os.getpriority(os.PRIO_PROCESS, 0), 0)
    # nice comes last: an older chrt would set it back.
    batch = ["chrt", "-b", "0"] if os.sched_getscheduler(0) == os.SCHED_OTHER else []
    disk = ["ionice", "-c", "best-effort", "-n", str(LOWEST_BEST_EFFORT)]
    return [*_allowed(batch), *_allowed(disk), "nice", "-n", str(more)]


def _allowed(words: list[str]) -> list[str]:
    """Return the words if this host runs a command with them: a container may forbid it."""
    if not words:
        return []
    try:
        done = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    except OSError as exc:
        problem = exc.strerror or str(exc)
    else:
        if not done.returncode:
            return words
        problem = done.stderr.strip()
    logger.warning(
        "%s is left out, this host does not allow it: %s",
        words[0],
        problem,
        extra={"action": "priority_left_out"},
    )
    return []


def _try_to_lower(place: int) -> bool:
    """Return False if it is worth another attempt."""
    try:
        os.write(place, str(LOW_NICENESS).encode())
    except OSError as exc:
        return exc.errno != errno.EAGAIN
    return True


def _retry_later(place: int, attempts: int) -> None:
    def retry() -> None:
        if _try_to_lower(place) or attempts <= 1:
            os.close(place)
        else:
            _retry_later(place, attempts - 1)

    timer = threading.Timer(RETRY_SECONDS, retry)
    timer.daemon = True
    timer.start()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
