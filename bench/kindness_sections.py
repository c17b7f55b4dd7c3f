"""What do writers notice of each way to take a backup?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.clone_shell import CloneShell
from bench.database import Database
from bench.kindness_targets import (
    DUMP,
    ENGINE,
    FACTOR,
    FULL,
    LOCAL,
    MARIADB,
    MYSQL,
    NONE,
    PACED,
    PLAIN_FULL,
    PLAIN_PACED,
    ZSTD,
)
from bench.load import WriteLoad
from bench.mooring import Finished
from bench.mysql_database import MysqlDatabase
from bench.rounds import Candidate, Rounds
from bench.shell import Shell, remove

# 0 is a pace that watches nothing: full speed.
FULL_SPEED = {"MOORING_PACE_FACTOR": "0", "MOORING_PACE_LAG_SECONDS": "0"}
LISTENING = {"MOORING_PACE_FACTOR": str(FACTOR)}
# Of what a backup noted itself, that is worth a column.
NOTED = ("limited_s", "redo_lifted")


@dataclass(slots=True)
class Kindness(Rounds):
    """Every candidate has the same writers beside it."""

    writers: WriteLoad
    # How long the writers are watched without a backup.
    seconds: int
    # Whether the tools of the products are measured as well.
    others: bool = True

    def mariadb(self, database: Database, shell: Shell) -> None:
        login, socket = database.login, database.socket
        ours: dict[str, Candidate] = {
            NONE: self._nothing,
            FULL: partial(self._take, database, FULL_SPEED),
            PACED: partial(self._take, database, LISTENING),
        }
        self._play(
            MARIADB,
            ours,
            {
                ENGINE: self._shell(lambda: shell.discard(login)),
                ZSTD: self._shell(lambda: shell.compress(login, self._sink)),
                DUMP: self._shell(lambda: shell.dump(socket, self._sink)),
            },
        )

    def mysql(self, database: MysqlDatabase, shell: CloneShell) -> None:
        plain = database.without_tls()
        ours: dict[str, Candidate] = {
            NONE: self._nothing,
            FULL: partial(self._take, database, FULL_SPEED),
            PACED: partial(self._take, database, LISTENING),
            PLAIN_FULL: partial(self._take, plain, FULL_SPEED),
            PLAIN_PACED: partial(self._take, plain, LISTENING),
        }
        self._play(
            MYSQL,
            ours,
            {
                LOCAL: self._shell(lambda: shell.clone(self.server), shell.remove_clone),
                DUMP: self._shell(lambda: shell.dump(self.server, self._sink)),
            },
        )

    def _play(
        self, section: str, ours: Mapping[str, Candidate], others: Mapping[str, Candidate]
    ) -> None:
        self.play(section, {**ours, **others} if self.others else ours)

    def _nothing(self) -> Mapping[str, float]:
        return self.beside(self.writers, lambda: time.sleep(self.seconds))

    def _take(self, database: Database, variables: Mapping[str, str]) -> Mapping[str, float]:
        jobs: list[Finished] = []

        def take() -> None:
            jobs.append(self.mooring.take(database, variables=variables))

        figures = self.beside(self.writers, take)
        label = jobs[0].label
        facts = self.mooring.pace(label)
        noted = {name: float(facts[name]) for name in NOTED if name in facts}
        self.mooring.purge(label)
        return {**figures, "job_s": jobs[0].job_s, "copy_s": jobs[0].stages_s["copy"], **noted}

    def _shell(
        self, work: Callable[[], object], clear_up: Callable[[], None] = lambda: None
    ) -> Candidate:
        def candidate() -> Mapping[str, float]:
            figures = self.beside(self.writers, work)
            clear_up()
            remove(self._sink)
            return figures

        return candidate

    @property
    def _sink(self) -> Path:
        return self.folder / "stream"
