"""Are quiet tables looked at when the tool's log comes to what matters, and never too early?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backups.engines.mariadb_backup.quiet import DEFINITION, ROWS, FileMark, TableLook
from backups.engines.mariadb_backup.quiet_watch import QuietWatch, name_some

CAPTURED = [
    Path(__file__).parents[2] / "data" / f"mariadb-backup-{version}.log"
    for version in ("10.11.19", "11.8.6")
]
MARK = FileMark(1, 2, 3, 4, 5)
WRITTEN = replace(MARK, mtime_ns=9, ctime_ns=9)
QUIET = {"shop.a": TableLook({DEFINITION: MARK, ROWS: MARK}, 7, 3)}
AWAKE = {"shop.a": TableLook({DEFINITION: MARK, ROWS: WRITTEN}, 7, 3)}
ALTERED = {"shop.a": TableLook({DEFINITION: WRITTEN, ROWS: MARK}, 7, 3)}
BEFORE = "[00] 2026-11-30 19:48:09 Connecting to MariaDB server host: localhost"
CHECKPOINT = (
    "[00] 2026-11-30 19:48:09 mariabackup: Starting 2 threads for parallel data files transfer"
)
BLOCKING_DDL = "[00] 2026-11-30 19:48:09 Started BACKUP STAGE BLOCK_DDL"
DDL_BLOCKED = "[00] 2026-11-30 19:48:09 Starting BACKUP STAGE BLOCK_COMMIT"
LINES = (BEFORE, CHECKPOINT, BLOCKING_DDL, DDL_BLOCKED)


def outcome(*nows: dict[str, TableLook]) -> tuple[str, str]:
    """Return the line at which it ends, and why, where files are so from each line on."""
    now = dict(zip(LINES, nows, strict=True))
    at = BEFORE
    watch = QuietWatch(QUIET, lambda: now[at], lambda: now[at])
    for line in LINES:
        at = line
        if late := watch.feed(line):
            assert late.tables == {"shop.a"}
            return line, str(late)
    assert watch.unproved() is None
    return "", ""


@pytest.mark.parametrize(
    ("nows", "line"),
    [
        ((QUIET, QUIET, QUIET, QUIET), ""),
        ((AWAKE, AWAKE, AWAKE, AWAKE), CHECKPOINT),
        ((QUIET, AWAKE, AWAKE, AWAKE), CHECKPOINT),
        # Of rows, the engine's redo has it.
        ((QUIET, QUIET, AWAKE, AWAKE), ""),
        ((QUIET, QUIET, QUIET, AWAKE), ""),
        ((QUIET, QUIET, ALTERED, ALTERED), DDL_BLOCKED),
        ((QUIET, QUIET, {}, {}), DDL_BLOCKED),
        # Dropped and restored with all of its times: nothing has changed.
        ((QUIET, QUIET, {}, QUIET), ""),
    ],
)
def test_a_change_counts_by_its_moment(nows: tuple[dict[str, TableLook], ...], line: str) -> None:
    assert outcome(*nows)[0] == line


@pytest.mark.parametrize("log", CAPTURED, ids=lambda path: path.name)
def test_both_lines_are_in_whole_logs(log: Path) -> None:
    watch = QuietWatch(QUIET, lambda: QUIET, lambda: QUIET)
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        assert watch.feed(line) is None
    assert watch.unproved() is None


@pytest.mark.parametrize("lines", [(), (CHECKPOINT,), (DDL_BLOCKED,), (DDL_BLOCKED, CHECKPOINT)])
def test_a_log_without_them_proves_nothing(lines: tuple[str, ...]) -> None:
    watch = QuietWatch(QUIET, lambda: QUIET, lambda: QUIET)
    assert [watch.feed(line) for line in lines if line] == [None] * len(lines)
    late = watch.unproved()
    assert late is not None and late.tables == {"shop.a"}


def test_few_tables_are_named_and_the_others_counted() -> None:
    assert name_some(frozenset("ab")) == "a, b"
    assert name_some(frozenset("abcdefg")) == "a, b, c, d, e and 2 more"
