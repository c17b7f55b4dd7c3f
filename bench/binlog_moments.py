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
from pathlib import Path

from bench.measure import BenchError
from tests.live.replay_bank import ACCOUNTS, MOVES, OPENING, WRITERS, mariadb_archive, mysql_archive
from tests.live.replaying import Archive, Replayer


def try_moments(archive: Archive, folder: Path, count: int, chance: random.Random) -> float:
    """Return how many seconds it took; raise for the first wrong one."""
    began = time.monotonic()
    for _ in range(count):
        chosen = chance.randrange(1, WRITERS * MOVES)
        replayer = Replayer(archive, folder / "data")
        replayer.replay(archive.served(chosen))
        with replayer.asked() as ask:
            ((total,),) = ask("SELECT SUM(money) FROM bank.accounts")
            ((rows,),) = ask("SELECT COUNT(*) FROM bank.moves")
        if (total, rows) != (ACCOUNTS * OPENING, chosen):
            raise BenchError(f"after {chosen} transactions: {rows} rows, {total} in all accounts")
        shutil.rmtree(folder / "data")
    return time.monotonic() - began


def main(arguments: list[str]) -> int:
    count = int(arguments[0]) if arguments else 50
    seed = int(arguments[1]) if len(arguments) > 1 else time.time_ns() % 10**6
    with tempfile.TemporaryDirectory(prefix="moments-") as name:
        folder = Path(name)
        archives = {
            "MariaDB": mariadb_archive(folder / "mariadb")[0],
            "MySQL": mysql_archive(folder / "mysql", "ON")[0],
        }
        for flavour, archive in archives.items():
            seconds = try_moments(archive, folder, count, random.Random(seed))
            print(f"{flavour}: {count} moments right, {seconds:.0f} s, seed {seed}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
