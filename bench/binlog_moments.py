"""Does a replay stop right at any transaction? python -m bench.binlog_moments [COUNT] [SEED]

Replays COUNT (50) prefixes of what concurrent writers wrote, of MariaDB and of MySQL, each onto a
copy of its own: the sum of all accounts must be what it was, and the rows as many as transactions.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from backups.binlogs.events.gtids import Gtids, parse_gtids
from tests.live.replay_bank import ACCOUNTS, MOVES, OPENING, WRITERS, mariadb_archive, mysql_archive
from tests.live.replaying import Archive, Replayer


def wrong_moments(
    archive: Archive, folder: Path, count: int, chance: random.Random
) -> Iterator[list[str]]:
    """Yield for each of ``count`` random transactions what is wrong after a replay up to it."""
    for _ in range(count):
        chosen = chance.randrange(1, WRITERS * MOVES)
        replayer = Replayer(archive, folder / "data")
        done = replayer.replay(archive.served(chosen))
        with replayer.asked() as ask:
            ((total,),) = ask("SELECT SUM(money) FROM bank.accounts")
            ((rows,),) = ask("SELECT COUNT(*) FROM bank.moves")
        found = f"after {chosen} transactions: {rows} rows, {total} in all accounts"
        wrong = [] if (total, rows) == (ACCOUNTS * OPENING, chosen) else [found]
        if parse_gtids(done.gtids) != (wanted := _gtids_after(archive, chosen)):
            wrong.append(f"after {chosen} transactions: GTIDs {done.gtids}, not {wanted}")
        yield wrong
        shutil.rmtree(folder / "data")


def _gtids_after(archive: Archive, count: int) -> Gtids:
    gtids = parse_gtids(archive.gtids)
    for _, each in archive.transactions[:count]:
        gtids.add(each.gtid)
    return gtids


def main(arguments: list[str]) -> int:
    count = int(arguments[0]) if arguments else 50
    seed = int(arguments[1]) if len(arguments) > 1 else time.time_ns() % 10**6
    violations = 0
    with tempfile.TemporaryDirectory(prefix="moments-") as name:
        folder = Path(name)
        archives = {
            "MariaDB": mariadb_archive(folder / "mariadb")[0],
            "MySQL": mysql_archive(folder / "mysql", "ON")[0],
        }
        for flavour, archive in archives.items():
            began = time.monotonic()
            for wrong in wrong_moments(archive, folder, count, random.Random(seed)):
                violations += bool(wrong)
                print("".join(f"{flavour}: {each}\n" for each in wrong), end="", flush=True)
            seconds = time.monotonic() - began
            print(f"{flavour}: {count} moments, {seconds:.0f} s, seed {seed}", flush=True)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
