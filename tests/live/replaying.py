"""A server with a bank, a copy of it from before its binlogs, and replays onto that copy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backups.binlogs.events.transactions import Transaction
from backups.binlogs.source.sent import Passed
from backups.binlogs.source.served import Served
from backups.programs.compatibility import MARIADB, MYSQL, Version
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.programs.server_program import ServerProgram, mysql_program
from backups.restores.replay.account import ReplayAccount
from backups.restores.replay.drive import Replay, Replayed
from backups.restores.replay.statements import ReplayTarget
from tests.live.binlog_folder import FolderBinlogs
from tests.live.mysql import program

VERSIONS = {MARIADB: Version(10, 11, 18), MYSQL: Version(9, 7, 4)}
# Servers of the tests run as somebody else, as those of a restore do.
OWNER = (65534, 65534)


@dataclass
class Archive:
    """What a test replays: a cold copy, and the binlogs that follow it."""

    flavour: str
    copy: Path
    binlogs: FolderBinlogs
    # Where the copy was taken, and what came before.
    file: str
    position: int
    gtids: str
    gtid_mode: str = "ON"
    transactions: list[tuple[str, Transaction]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.transactions = [
            (file, each)
            for file in self.binlogs.files
            if file >= self.file
            for each in self.binlogs.transactions(file)
            if (file, each.start) >= (self.file, self.position)
        ]

    def served(self, count: int | None = None, skipped: Collection[str] = ()) -> Served:
        """Serve the first ``count`` transactions, or all."""
        chosen = self.transactions[:count]
        file, last = chosen[-1]
        return Served(
            self.binlogs,
            self.binlogs.stretches(self.file, self.position, (file, last.end)),
            self.flavour,
            start_gtids=self.gtids,
            skipped=frozenset(skipped),
            gtid_mode=self.gtid_mode,
        )


class Replayer:
    """A copy of the copy, replayed onto. Use ``asked`` to look at the result."""

    def __init__(self, archive: Archive, folder: Path) -> None:
        self.archive, self.folder = archive, folder
        shutil.copytree(archive.copy, folder)
        if os.geteuid() == 0:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, *OWNER, follow_symlinks=False)
        self._target = ReplayTarget(
            archive.flavour, VERSIONS[archive.flavour], archive.gtid_mode, workers=2
        )

    def replay(
        self,
        served: Served,
        on_progress: Callable[[Passed], None] = lambda passed: None,
        on_start: Callable[[Replay], None] = lambda replay: None,
    ) -> Replayed:
        account = ReplayAccount(self.archive.flavour)
        owner = OWNER if os.geteuid() == 0 else (os.geteuid(), os.getegid())
        with account.file(owner) as grants:
            settings = ServerOptions(
                confined=True,
                reaches_us=True,
                server_id=4_000_000,
                program=self._program(),
                readable=(grants,),
                options={**self._target.options(), "init-file": str(grants)},
            )
            with PrivateServer(self.folder, settings) as server:
                replay = Replay(server, served, self._target, account, on_progress)
                on_start(replay)
                done = replay.run()
                server.shut_down()
        return done

    @contextmanager
    def asked(self) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
        """Any: SQL's values."""
        settings = ServerOptions(skip_grant_tables=True, confined=True, program=self._program())
        with (
            PrivateServer(self.folder, settings) as server,
            server.connect() as connection,
            connection.cursor() as cursor,
        ):

            def ask(query: str) -> list[tuple[Any, ...]]:
                cursor.execute(query)
                return list(cursor.fetchall())

            yield ask

    def _program(self) -> ServerProgram | None:
        if self.archive.flavour == MARIADB:
            return None
        return mysql_program(program("mysqld"), VERSIONS[MYSQL])
