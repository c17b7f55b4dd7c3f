"""Does a replay end with the right rows: at any transaction, without any, over cut links?"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from backups.binlogs.source import stream
from bench.binlog_moments import wrong_moments
from bench.binlog_promises.round import Round
from tests.live.cut_links import CutWhileRead
from tests.live.replay_bank import CHECKSUMS, LATER, Filled, mariadb_archive, mysql_archive
from tests.live.replaying import Archive, Replayer

# So that a part has arrived when the link is cut, up to the middle of a transaction.
SMALL_BATCH_BYTES = 10_000
Rows = dict[str, list[int]]


def filled(product: str, folder: Path, later: tuple[str, ...] = LATER) -> Filled:
    if product == "mysql":
        return mysql_archive(folder, "ON", later)
    return mariadb_archive(folder, later)


def moments(work: Round) -> None:
    """Random transactions of concurrent writers, of which many commit within a second."""
    archive, _ = filled(work.product, work.folder / "bank")
    for wrong in wrong_moments(archive, work.folder, work.count, work.chance):
        work.violations += wrong
        work.tried += 1


def skips(work: Round) -> None:
    """A DROP, a TRUNCATE and a transaction of rows, each left out of a replay of its own."""
    later = [*LATER]
    for number in range(work.count):
        later += _mistakes(number)
    archive, _ = filled(work.product, work.folder / "bank", tuple(later))
    for number in range(work.count):
        for table, gtid in _to_skip(archive, number).items():
            found = _replayed(archive, work.folder / "data", gtid, _rows(work.count))
            wanted = _rows(work.count) | {table: [1, 2]}
            wrong = {name: ids for name, ids in found.items() if ids != wanted[name]}
            work.expect(not wrong, f"without {gtid}, for {table}: {wrong}")
            work.tried += 1


def _mistakes(number: int) -> Iterator[str]:
    """Yield what is written to three tables; without the mistake each has the rows 1 and 2."""
    for name in ("dropped", "emptied", "added"):
        yield f"CREATE TABLE bank.{name}_{number} (id INT PRIMARY KEY)"
        yield f"INSERT INTO bank.{name}_{number} VALUES (1)"
        if name == "dropped":
            yield f"DROP TABLE bank.{name}_{number}"
            yield f"CREATE TABLE IF NOT EXISTS bank.{name}_{number} (id INT PRIMARY KEY)"
        elif name == "emptied":
            yield f"TRUNCATE TABLE bank.{name}_{number}"
        else:
            yield f"INSERT INTO bank.{name}_{number} VALUES (9)"
        yield f"INSERT INTO bank.{name}_{number} VALUES (2)"


def _rows(count: int) -> Rows:
    """Return what the tables have where nothing is left out."""
    every = {"dropped": [2], "emptied": [2], "added": [1, 2, 9]}
    return {f"{name}_{number}": ids for number in range(count) for name, ids in every.items()}


def _to_skip(archive: Archive, number: int) -> Mapping[str, str]:
    """Return for each table the GTID of the mistake: the second transaction after its creation."""
    transactions = [each for _, each in archive.transactions]
    found = {}
    for name in ("dropped", "emptied", "added"):
        created = f"CREATE TABLE bank.{name}_{number} ".encode()
        at = next(at for at, each in enumerate(transactions) if each.statement.startswith(created))
        found[f"{name}_{number}"] = transactions[at + 2].gtid
    return found


def _replayed(archive: Archive, folder: Path, gtid: str, tables: Rows) -> Rows:
    replayer = Replayer(archive, folder)
    replayer.replay(archive.served(skipped={gtid}))
    with replayer.asked() as ask:
        found = {
            name: [int(number) for (number,) in ask(f"SELECT id FROM bank.{name} ORDER BY id")]
            for name in tables
        }
    shutil.rmtree(folder)
    return found


def cut_links(work: Round) -> None:
    """The link to the replica ends within events, and it goes on where it was."""
    archive, wanted = filled(work.product, work.folder / "bank")
    whole, stream._BATCH_BYTES = stream._BATCH_BYTES, SMALL_BATCH_BYTES
    cutting = CutWhileRead(archive.binlogs, work.count)
    archive.binlogs = cutting
    try:
        replayer = Replayer(archive, work.folder / "data")
        replayer.replay(archive.served(), on_start=cutting.watch)
    finally:
        stream._BATCH_BYTES = whole
    work.tried = cutting.cuts
    work.expect(cutting.cuts == work.count, f"only {cutting.cuts} links were cut")
    with replayer.asked() as ask:
        found = ask(CHECKSUMS)
    work.expect(found == wanted, f"checksums {found}, those of the source are {wanted}")
