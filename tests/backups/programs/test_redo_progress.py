"""How far is a recovery, by the lines that real programs logged? Each line has its second."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.programs.redo_progress import MOST_BYTES, RedoProgress

LOGS = Path("tests/data/prepare-logs")
ONE_BATCH, BATCHES = "mariadb-backup-10.11.18-256M.log", "mariadb-backup-10.11.18-16M.log"
MYSQL = "mysqld-9.7.4-24M.log"
# The checkpoint and the end of MariaDB's log, as the copy's metadata had them.
START, END = 44894, 120746334


def fed(name: str, end_lsn: int | None = None) -> Iterator[RedoProgress]:
    redo = RedoProgress(end_lsn)
    for line in (LOGS / name).read_text().splitlines():
        at, _, text = line.partition(" ")
        redo.feed(text, float(at))
        yield redo


def percents(name: str, end_lsn: int | None = None) -> list[int]:
    found = [
        redo.done_bytes * 100 // redo.total_bytes for redo in fed(name, end_lsn) if redo.total_bytes
    ]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("name", [ONE_BATCH, BATCHES])
def test_mariadb_goes_from_0_to_100_and_never_back(name: str) -> None:
    shown = percents(name, END)
    assert (shown[0], shown[-1], shown == sorted(shown)) == (0, 100, True)


def test_reading_and_applying_are_half_of_it_each() -> None:
    assert percents(ONE_BATCH, END) == [0, 16, 23, 31, 42, 50, 100]
    assert len(percents(BATCHES, END)) > 15


def test_without_the_end_of_the_log_nothing_is_a_percentage_until_the_program_knows_it() -> None:
    assert percents(ONE_BATCH)[0] == 50


@pytest.mark.parametrize("end_lsn", [START, START - 1, START + MOST_BYTES + 1])
def test_an_end_that_cannot_be_true_is_unknown(end_lsn: int) -> None:
    redo = RedoProgress(end_lsn)
    assert redo.feed(f"InnoDB: Starting crash recovery from checkpoint LSN={START}", 0)
    assert (redo.total_bytes, redo.words) == (
        None,
        f"redo log read up to LSN {START} of an unknown end",
    )


def test_a_log_that_goes_on_beyond_its_end_has_an_unknown_end() -> None:
    redo = RedoProgress(END)
    redo.feed(f"InnoDB: Starting crash recovery from checkpoint LSN={START}", 0)
    redo.feed(f"InnoDB: Read redo log up to LSN={END + 1}", 1)
    assert (redo.total_bytes, redo.done_bytes) == (None, END + 1 - START)


@pytest.mark.parametrize("lsn", [0, START - 1, START + MOST_BYTES + 1, 10**20 - 1])
def test_a_number_outside_the_log_is_ignored(lsn: int) -> None:
    redo = RedoProgress()
    redo.feed(f"InnoDB: Starting crash recovery from checkpoint LSN={START}", 0)
    for line in (f"Read redo log up to LSN={lsn}", f"End of log at LSN={lsn}"):
        assert not redo.feed(f"InnoDB: {line}", 1)
    assert not redo.feed(f"InnoDB: To recover: LSN {lsn}/{END}; 7 pages", 1)
    assert (redo.done_bytes, redo.total_bytes) == (0, None)


def test_unknown_words_say_nothing() -> None:
    redo = RedoProgress(END)
    assert not redo.feed("InnoDB: Recovering from LSN 44894, 12 % done", 1)
    assert (redo.done_bytes, redo.total_bytes, redo.rate_bytes_per_s, redo.words) == (
        0,
        None,
        None,
        "",
    )


def test_the_rate_is_that_of_applying() -> None:
    rates = [(redo.rate_bytes_per_s, redo.words) for redo in fed(BATCHES, END)]
    reading = [rate for rate, words in rates if " read " in words]
    assert set(reading) == {None}
    rate, words = rates[-1]
    # Applied in 155 s: the program was stopped again and again, so that it had to report.
    assert rate == pytest.approx((END - START) / 154.7, rel=0.01)
    assert words == f"redo log applied up to LSN {END} of {END}"


def test_mysql_applies_a_batch_whenever_its_memory_is_full() -> None:
    shown = percents(MYSQL, 101910300)
    assert (shown[-1], shown == sorted(shown), len(shown) > 30) == (100, True, True)


def test_mysql_does_not_know_the_end_by_itself() -> None:
    *_, redo = fed(MYSQL)
    assert (redo.total_bytes, redo.done_bytes) == (None, 2 * (101910300 - 19286204))
