"""Is a prepare faster with more memory? On a redo log of some hundred MB."""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.database import OPTIONS, SCHEMA, TABLES, Database
from bench.measure import MIB, measure
from bench.rounds import Rounds
from bench.shell import Shell, remove

SECTION = "prepare"
LITTLE, MORE = "96 MiB", "1 GiB"
# What the tool takes by itself, and a share of what a host usually has free.
MEMORY = {LITTLE: 96 * MIB, MORE: 1024 * MIB}
REDO_BYTES = 300 * MIB
# Nothing is flushed for the log's sake: the backup has to copy all of it.
KEEPING: Mapping[str, str] = {
    **OPTIONS,
    "innodb-buffer-pool-size": "1G",
    "innodb-log-file-size": "1G",
    "innodb-max-dirty-pages-pct": "99",
    "innodb-flush-log-at-trx-commit": "0",
}
ROWS_AT_ONCE = 200


@dataclass(slots=True)
class PrepareBench(Rounds):
    """The database runs with ``KEEPING``."""

    database: Database
    shell: Shell

    def prepare(self) -> None:
        self._write_redo()
        stream = self.folder / "stream.zst"
        self.shell.compress(self.database.login, stream)
        one = partial(self._prepare, stream)
        self.play(SECTION, {name: partial(one, memory) for name, memory in MEMORY.items()})
        remove(stream)

    def _prepare(self, stream: Path, memory_bytes: int) -> Mapping[str, float]:
        target = self.folder / "restored"
        self.shell.extract(stream, target)
        redo_bytes = (target / "ib_logfile0").stat().st_size
        cost = measure(lambda: self.shell.prepare_with(target, memory_bytes))
        shutil.rmtree(target)
        return {**cost.figures(), "memory_mib": memory_bytes / MIB, "redo_bytes": redo_bytes}

    def _write_redo(self) -> None:
        """Change rows all over the tables."""
        places = random.Random(4711)
        with self.server.connect(database=SCHEMA) as connection, connection.cursor() as cursor:

            def written() -> int:
                cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_os_log_written'")
                return int(cursor.fetchall()[0][1])

            wanted = written() + REDO_BYTES
            while written() < wanted:
                at = places.randrange(self.database.rows_per_table)
                table = f"sbtest{places.randint(1, TABLES)}"
                cursor.execute(
                    f"UPDATE {table} SET c = REVERSE(c), k = k + 1 "
                    f"WHERE id BETWEEN {at} AND {at + ROWS_AT_ONCE}"
                )
