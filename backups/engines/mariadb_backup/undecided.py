"""Which prepared transactions of a copy can nobody decide, and how are they rolled back?

A replica that applies events in parallel holds transactions that are prepared and wait for an
earlier one to commit. A backup taken at that moment has them, and the binlog that would decide
them is in no backup: a server refuses to start on the copy. They were not committed, so they are
rolled back; a replica fetches them again from its source. Transactions of an external coordinator
(XA PREPARE) are not touched: they stay prepared, for that coordinator to decide.
"""

from __future__ import annotations

import re
from dataclasses import replace

from backups.engines.mariadb_backup.host_plugins import needs_keys
from backups.engines.mariadb_backup.key_proof import find_undecrypted
from backups.engines.mariadb_backup.left_out import remove_left_out
from backups.engines.mariadb_backup.restored import PREPARE_FILE
from backups.exceptions import EngineError
from backups.programs.private_server import PrivateServer

ROLLBACK = "tc-heuristic-recover"
_FOUND = re.compile(r"Found (\d+) prepared transactions!")
# What a server with more than one transactional engine logs when it has rolled back, and ends.
_DONE = "Please restart without --tc-heuristic-recover"


def count_undecided(log: str) -> int:
    """Return the number of transactions because of which a server refused to start."""
    counts = _FOUND.findall(log)
    return int(counts[-1]) if counts else 0


def rollback_command(folder: str) -> str:
    """Return the command that does the same by hand; ``folder`` is quoted for a shell.

    It reads the options that ``commands_before_prepare`` kept, not those of the backup.
    """
    return (
        f"mariadbd --defaults-file={PREPARE_FILE} --datadir={folder} "
        f'--user="$(stat -c %U {folder})" --bootstrap --{ROLLBACK}=ROLLBACK < /dev/null'
    )


class RestoredMariadb(PrivateServer):
    """A server on a prepared copy. Its start rolls back what nobody can decide, and records it.

    Of a partial copy it also removes what its dictionary has of tables that were left out.

    Refused where it misses a key: that says nothing of the copy.
    """

    def start(self) -> None:
        self._start_decided()
        try:
            removed = remove_left_out(self)
        except BaseException:
            self.stop()
            raise
        self.remark = "; ".join(filter(None, [self.remark, removed]))

    def _start_decided(self) -> None:
        try:
            super().start()
        except EngineError:
            if named := find_undecrypted(self.log_end):
                raise needs_keys(named) from None
            if not (count := count_undecided(self.log_end)):
                raise
            self._roll_back()
            super().start()
            self.remark = (
                f"{count} prepared transactions without a binlog to decide them were rolled back "
                f"(--{ROLLBACK}=ROLLBACK); they were not committed when the backup was taken"
            )

    def _roll_back(self) -> None:
        options = {**self.settings.options, ROLLBACK: "ROLLBACK"}
        once = PrivateServer(
            self.folder, replace(self.settings, options=options), on_wait=self.on_wait
        )
        try:
            once.start()
            once.shut_down()
        except EngineError:
            if _DONE not in once.log_end:
                raise
