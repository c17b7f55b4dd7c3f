"""What went wrong in the tool, and what fixes it?"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

from backups.engines.mariadb_backup.command import TOOL
from backups.engines.mariadb_backup.log import LogReader
from backups.engines.mariadb_backup.strays import find_stray
from backups.exceptions import EngineError, LockNotGranted

# A pattern in the tool's output, in lower case, and the hint. The first match is used; ``{0}`` is
# the pattern's group.
_HINTS: Sequence[tuple[str, str]] = (
    (r"missing required privilege ([a-z ]+) on \*\.\*", "GRANT {0} ON *.* TO the backup user."),
    (
        r"you need \(at least one of\) the ([a-z, ]+) privilege",
        "GRANT one of {0} ON *.* TO the backup user.",
    ),
    (
        r"failed to execute query backup lock .*(?:no database selected|error in your sql syntax)",
        f"{TOOL} cannot lock a table with a backtick in its name: rename that table.",
    ),
    (r"access denied for user", "Check the user and the password of this instance."),
    (
        r"can't connect to|lost connection to|server has gone away",
        "Check that the server runs and can be reached.",
    ),
    (
        r"try increasing the innodb_log_file_size|only able to copy log|corrupt log"
        r"|log block numbers mismatch|redo log .*overwritten",
        "The redo log was overwritten before it could be copied: raise innodb_log_file_size, "
        "or back up at a quieter time.",
    ),
    (
        r"unsupported server version|redo log before mariadb|redo log was created with"
        r"|unsupported redo log",
        f"Install {TOOL} of the same release series as the server.",
    ),
    (
        r"no space left on device|errcode: 28\b",
        "Free space in the temporary folder of the database host.",
    ),
    (
        r"too many open files|errcode: 24\b",
        f"Raise the limit of open files for {TOOL}: it opens every table (ulimit -n).",
    ),
    (
        r"page corruption|corrupted page",
        "A page is damaged on the server's disk: run CHECK TABLE there, and fix the table first.",
    ),
    (
        r"aria_read \w+ from .* failed with error",
        "That Aria table is damaged on the instance: run REPAIR TABLE on it there, or drop it; "
        "until then every backup ends there.",
    ),
    (
        r"can't open dir ",
        "Let the runner's user read that folder, or move it out of the data directory.",
    ),
    (
        r"permission denied|errcode: 13\b|operating system error number 13\b",
        "Let the runner's user read the data directory.",
    ),
    (r"no such file or directory|errcode: 2\b", "Run it on the host that has the data directory."),
)

_NOT_OPENED = re.compile(r"can(?:'t|not) open (?:dir|file)\b", re.IGNORECASE)
_LOCK_WAIT = "Lock wait timeout exceeded"
PREPARE_HINT = "Read the job's log for earlier messages; the stored backup was not changed."


def build_error(exit_code: int, log: LogReader, *, otherwise: str = "") -> EngineError:
    """Return an error with the exit of the tool and its own message, if any."""
    if stray := find_stray(log.errors, f"{TOOL} {describe_end(exit_code)}"):
        return stray
    # The path that was not read says more than the number of an error.
    named = [line for line in log.errors if _NOT_OPENED.search(line)]
    why = next(iter([*named, *log.errors]), "") or otherwise or log.last
    if _LOCK_WAIT in why:
        return LockNotGranted(f"{TOOL} gave up its wait for a lock on the instance")
    return EngineError(
        f"{TOOL} {describe_end(exit_code)}{': ' if why else ''}{why}",
        hint=find_hint("\n".join(log.errors) or log.last),
    )


def describe_end(exit_code: int) -> str:
    """Describe an exit code; below 0 it is a signal."""
    if exit_code >= 0:
        return f"exited with {exit_code}"
    try:
        return f"was killed by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"was killed by signal {-exit_code}"


def find_hint(output: str) -> str:
    for sign, hint in _HINTS:
        if match := re.search(sign, output.lower()):
            return hint.format(*(group.upper() for group in match.groups()))
    return ""


def check_prepare(exit_code: int, stderr: str) -> None:
    """Raise EngineError unless a prepare succeeded and its last line is the end marker."""
    log = LogReader()
    for line in stderr.splitlines():
        log.feed(line, 0.0)
    if exit_code:
        error = build_error(exit_code, log)
        error.hint = error.hint or PREPARE_HINT
        raise error
    if not log.completed:
        message = f"{TOOL} --prepare did not report completion: {log.last}"
        raise EngineError(message, hint=PREPARE_HINT)
