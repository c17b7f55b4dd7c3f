"""What people read when the tool fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.engines.mariadb_backup import check_prepare
from backups.engines.mariadb_backup.errors import build_error, describe_end, find_hint
from backups.engines.mariadb_backup.log import LogReader
from backups.exceptions import EngineError, LockNotGranted

CAPTURED = Path(__file__).parents[2] / "data"


@pytest.mark.parametrize(
    ("case", "message", "hint"),
    [
        (
            "no-reload",
            "Error: missing required privilege RELOAD on *.*",
            "GRANT RELOAD ON *.* TO the backup user.",
        ),
        (
            "no-binlog-monitor",
            "failed to execute query SHOW MASTER STATUS: Access denied; you need (at least one of) "
            "the SUPER, BINLOG MONITOR privilege(s) for this operation",
            "GRANT one of SUPER, BINLOG MONITOR ON *.* TO the backup user.",
        ),
        (
            "wrong-password",
            "Failed to connect to MariaDB server: Access denied for user 'backup'@'localhost' "
            "(using password: YES).",
            "Check the user and the password of this instance.",
        ),
    ],
)
def test_a_captured_failure_is_quoted(case: str, message: str, hint: str) -> None:
    log = LogReader()
    for line in (CAPTURED / f"mariadb-backup-10.11.19-{case}.log").read_text().splitlines():
        log.feed(line, 0)
    error = build_error(1, log)
    assert (str(error), error.hint) == (f"mariadb-backup exited with 1: {message}", hint)


NOT_OPENED = (
    (
        "[00] 2026-11-29 18:24:07 mariabackup: Generating a list of tablespaces",
        "[00] 2026-11-29 18:24:07 Can't open dir ./lost+found",
        "[00] 2026-11-29 18:24:07 merror: xb_load_tablespaces() failed with error Generic error.",
        "2026-11-29 18:24:07 0 [Note] InnoDB: Starting shutdown...",
    ),
    (
        "2026-11-29 18:24:29 0 [ERROR] InnoDB: Operating system error number 13.",
        "[01] 2026-11-29 18:24:29 error: cannot open file ./test/x.frm",
        "[01] 2026-11-29 18:24:29 Error: copy_file() failed.",
        "2026-11-29 18:24:29 0 [Note] InnoDB: Starting shutdown...",
    ),
)


@pytest.mark.parametrize(
    ("lines", "message", "hint"),
    [
        (NOT_OPENED[0], "Can't open dir ./lost+found", "move it out of the data directory."),
        (NOT_OPENED[1], "error: cannot open file ./test/x.frm", "read the data directory."),
    ],
)
def test_what_could_not_be_opened_is_the_cause(
    lines: tuple[str, ...], message: str, hint: str
) -> None:
    log = LogReader()
    for line in lines:
        log.feed(line, 0)
    error = build_error(1, log)
    assert str(error) == f"mariadb-backup exited with 1: {message}"
    assert error.hint.endswith(hint)


def test_a_lock_that_was_not_granted_is_an_error_of_its_own() -> None:
    log = LogReader()
    log.feed(
        "[00] FATAL ERROR: 2026-11-29 18:08:26 failed to execute query BACKUP STAGE START: "
        "Lock wait timeout exceeded; try restarting transaction",
        0,
    )
    assert isinstance(build_error(1, log), LockNotGranted)


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("Was only able to copy log from 1 to 2, not 3", "raise innodb_log_file_size"),
        ("Error: Unsupported server version: '12.3'.", "same release series"),
        ("Error: cannot process redo log before MariaDB 10.8", "same release series"),
        ('write failed (Errcode: 28 "No space left on device")', "Free space"),
        ('open failed (Errcode: 24 "Too many open files")', "limit of open files"),
        ("Database page corruption detected", "CHECK TABLE"),
        ("aria_read data from ./a/t.MAD failed with error 176", "REPAIR TABLE"),
        ("something new", ""),
    ],
)
def test_a_known_cause_has_a_hint(said: str, hint: str) -> None:
    found = find_hint(said)
    assert hint in found
    assert bool(hint) == bool(found)


@pytest.mark.parametrize(
    ("exit_code", "words"),
    [(0, "exited with 0"), (1, "exited with 1"), (-9, "was killed by SIGKILL"), (-99, "signal 99")],
)
def test_an_exit_code_is_put_into_words(exit_code: int, words: str) -> None:
    assert words in describe_end(exit_code)


def test_a_prepare_that_completed_passes() -> None:
    check_prepare(0, "[00] 2026-01-01 00:00:00 completed OK!\n")


@pytest.mark.parametrize(
    ("exit_code", "stderr", "why"),
    [
        (0, "", "did not report completion"),
        (0, "completed OK!\n[ERROR] no", "did not report completion"),
        (1, "completed OK!", "exited with 1"),
        (1, "[00] 2026-01-01 00:00:00 Error: no log\n", "exited with 1: Error: no log"),
    ],
)
def test_a_prepare_that_did_not_complete_fails(exit_code: int, stderr: str, why: str) -> None:
    with pytest.raises(EngineError, match=why):
        check_prepare(exit_code, stderr)
