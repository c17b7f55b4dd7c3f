"""A log that its process writes while we keep it small."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.logs import LogFile

LIMIT = 1000


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.logs.LARGEST_BYTES", LIMIT)


@pytest.fixture
def log(tmp_path: Path) -> LogFile:
    return LogFile(tmp_path / "one.log")


def test_a_log_within_the_limit_stays(log: LogFile) -> None:
    with log.open() as output:
        output.write(b"x" * LIMIT)
    assert log.rotate() == ""
    assert log.path.stat().st_size == LIMIT


def test_what_was_written_moves_and_the_writer_goes_on(log: LogFile) -> None:
    with log.open() as output:
        output.write(b"old " * LIMIT)
        output.flush()
        log.rotate()
        output.write(b"new")
    assert log.path.read_bytes() == b"new"
    assert log.path.with_suffix(".log.1").read_bytes() == b"old " * LIMIT


def test_two_files_are_all_there_ever_is(log: LogFile) -> None:
    with log.open() as output:
        for number in range(9):
            output.write(bytes([48 + number]) * (LIMIT + 1))
            output.flush()
            log.rotate()
    assert sorted(path.name for path in log.path.parent.iterdir()) == ["one.log", "one.log.1"]
    assert log.path.with_suffix(".log.1").read_bytes() == b"8" * (LIMIT + 1)


def test_errors_after_a_rotation_are_seen(log: LogFile) -> None:
    with log.open() as output:
        output.write(b"fine\n" * LIMIT)
        output.flush()
        assert log.new_errors() == []
        log.rotate()
        output.write(b"ERROR of the new file\n")
        output.flush()
        assert log.new_errors() == ["ERROR of the new file"]
        assert log.new_errors() == []


def test_a_log_that_cannot_be_copied_is_emptied_and_says_so(log: LogFile) -> None:
    log.path.with_suffix(".log.1").mkdir()
    with log.open() as output:
        output.write(b"x" * LIMIT * 2)
    assert log.rotate() == "Is a directory"
    assert log.path.stat().st_size == 0
