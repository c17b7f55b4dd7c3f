"""The tool's log: captured from real servers, never typed."""

from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path

import pytest

from backups.engines.mariadb_backup.log import (
    STAGES,
    Event,
    LogReader,
    StageEnded,
    StageStarted,
    ToolLogLine,
)

CAPTURED = Path(__file__).parents[2] / "data"
COMPLETE = ["mariadb-backup-10.11.19.log", "mariadb-backup-11.8.6.log"]


def read(name: str) -> tuple[LogReader, list[Event]]:
    """Feed a captured log; its lines arrive a millisecond apart."""
    reader, clock = LogReader(["capture"]), itertools.count()
    lines = (CAPTURED / name).read_text(encoding="utf-8").splitlines()
    return reader, [e for line in lines for e in reader.feed(line, next(clock) / 1000)]


@pytest.mark.parametrize("name", COMPLETE)
def test_every_stage_begins_and_ends_once_in_its_order(name: str) -> None:
    _, events = read(name)
    assert tuple(event.name for event in events if isinstance(event, StageStarted)) == STAGES
    assert sorted(e.name for e in events if isinstance(e, StageEnded)) == sorted(STAGES)


@pytest.mark.parametrize("name", COMPLETE)
def test_the_lock_is_measured_from_flush_to_unlocked(name: str) -> None:
    lines = (CAPTURED / name).read_text(encoding="utf-8").splitlines()
    asked = next(n for n, line in enumerate(lines) if "Starting BACKUP STAGE FLUSH" in line)
    commits = next(n for n, line in enumerate(lines) if "Starting BACKUP STAGE BLOCK_COM" in line)
    given = next(n for n, line in enumerate(lines) if "All tables unlocked" in line)
    reader, events = read(name)
    ended = next(e for e in events if isinstance(e, StageEnded) and e.name == "backup lock")
    assert ended.lock_time == reader.lock_time == timedelta(milliseconds=given - asked)
    assert ended.detail == f"commits waited for {(given - commits) / 1000:.3f} s"


def test_a_tool_without_flush_locks_at_once() -> None:
    reader = LogReader()
    assert StageStarted("backup lock") in reader.feed("[00] Acquiring BACKUP LOCKS...", 1.0)
    reader.feed("[00] All tables unlocked", 1.25)
    assert reader.lock_time == timedelta(seconds=0.25)


@pytest.mark.parametrize("name", COMPLETE)
def test_a_good_run_is_complete_and_without_errors(name: str) -> None:
    reader, events = read(name)
    assert reader.completed
    assert reader.errors == []
    assert {event.level for event in events if isinstance(event, ToolLogLine)} == {"info"}


def test_the_marker_counts_only_as_the_last_word() -> None:
    reader = LogReader()
    reader.feed("[00] 2026-01-01 00:00:00 completed OK!", 0)
    assert reader.completed
    reader.feed("[00] 2026-01-01 00:00:00 and yet", 0)
    assert not reader.completed


def test_the_marker_counts_only_as_a_line_of_its_own() -> None:
    reader = LogReader()
    reader.feed("[00] 2026-01-01 00:00:00 Streaming ./shop/completed OK!", 0)
    assert not reader.completed


@pytest.mark.parametrize(
    ("line", "text", "level"),
    [
        ("[00] 2026-01-01 00:00:00 cd to /x/", "cd to /x/", "info"),
        ("[00] FATAL ERROR: 2026-01-01 00:00:00 no", "no", "error"),
        ("[00] 2026-01-01 00:00:00 Error: no", "Error: no", "error"),
        ("[00] 2026-01-01 00:00:00 error: no", "error: no", "error"),
        ("[00] 2026-01-01 00:00:00 Failed to connect", "Failed to connect", "error"),
        ("mariabackup: Error: no", "mariabackup: Error: no", "error"),
        ("2026-01-01  0:00:00 0 [ERROR] InnoDB: no", "[ERROR] InnoDB: no", "error"),
        ("2026-01-01 00:00:00 0 [Warning] hm", "[Warning] hm", "warning"),
        ("[00] 2026-01-01 00:00:00 Warning: hm", "Warning: hm", "warning"),
        ("[01] 2026-01-01 00:00:00 Streaming ./d/error.ibd", "Streaming ./d/error.ibd", "info"),
        ("plain", "plain", "info"),
    ],
)
def test_a_line_is_shown_without_its_time(line: str, text: str, level: str) -> None:
    assert LogReader().feed(line, 0) == [ToolLogLine(text, level)]


@pytest.mark.parametrize("line", ["", "   ", "[01] 2026-01-01 00:00:00         ...done"])
def test_a_line_that_says_nothing_is_dropped(line: str) -> None:
    assert LogReader().feed(line, 0) == []


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("user x, sesame", "user x, ***"),
        ("GRANT USAGE IDENTIFIED BY PASSWORD '*6E2D'", "GRANT USAGE IDENTIFIED BY PASSWORD '***'"),
        ("IDENTIFIED VIA ed25519 USING 'ZIgU' OR", "IDENTIFIED VIA ed25519 USING '***' OR"),
    ],
)
def test_no_secret_is_passed_on(said: str, shown: str) -> None:
    assert LogReader(["sesame", ""]).feed(said, 0) == [ToolLogLine(shown, "info")]


def test_the_hash_the_tool_prints_is_hidden() -> None:
    _, events = read("mariadb-backup-10.11.19-no-reload.log")
    shown = "\n".join(event.text for event in events if isinstance(event, ToolLogLine))
    assert "IDENTIFIED BY PASSWORD '***'" in shown
    assert "PASSWORD '*" not in shown.replace("PASSWORD '***'", "")
