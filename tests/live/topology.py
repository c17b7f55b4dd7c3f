"""Two servers of one replication topology, of which one takes over from the other."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backups.models import Instance
from tests.live.binlog_folder import FolderBinlogs
from tests.live.binlog_source import PASSWORD, USER, BinlogSource
from tests.live.replaying import Archive

_OPTIONS = {
    "mysql": {"gtid-mode": "ON", "enforce-gtid-consistency": "ON"},
    "mariadb": {"log-slave-updates": "ON"},
}


@dataclass
class Topology:
    """The server that is written to, the one that follows it, and a copy from before both."""

    primary: BinlogSource
    replica: BinlogSource
    base: Archive

    def follow(self) -> None:
        """Let the replica replicate from the primary."""
        account = f"MASTER_USER='{USER}', MASTER_PASSWORD='{PASSWORD}'"
        place = f"MASTER_HOST='127.0.0.1', MASTER_PORT={self.primary.port}"
        if self.primary.flavour == "mariadb":
            by = "MASTER_USE_GTID=slave_pos"
            statements = [
                "SET GLOBAL gtid_slave_pos = @@GLOBAL.gtid_binlog_pos",
                f"CHANGE MASTER TO {place}, {account}, {by}",
                "START SLAVE",
            ]
        else:
            words = f"{place}, {account}, MASTER_AUTO_POSITION=1".replace("MASTER", "SOURCE")
            statements = [
                f"CHANGE REPLICATION SOURCE TO {words}, GET_SOURCE_PUBLIC_KEY=1",
                "START REPLICA",
            ]
        self.replica.execute(*statements)

    def catch_up(self) -> None:
        """Wait until the replica has all that the primary has."""
        if self.primary.flavour == "mariadb":
            ((has,),) = self.primary.execute("SELECT @@GLOBAL.gtid_binlog_pos")
            question = f"SELECT MASTER_GTID_WAIT('{has}', 60)"
        else:
            ((has,),) = self.primary.execute("SELECT @@GLOBAL.gtid_executed")
            question = f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{has}', 60)"
        assert self.replica.execute(question) == [(0,)]

    def fail_over(self, instance: Instance) -> None:
        """Let the replica take over, and the old primary follow it."""
        self.catch_up()
        old = self.primary.flavour == "mariadb"
        word = "SLAVE" if old else "REPLICA"
        self.replica.execute(f"STOP {word}", f"RESET {word} ALL")
        self.primary, self.replica = self.replica, self.primary
        self.replica.server.stop()
        Instance.objects.filter(pk=instance.pk).update(port=self.primary.port)

    def rejoin(self) -> None:
        """Start the old primary as a replica of the new one."""
        self.replica.server.start()
        self.follow()


@contextmanager
def topology(folder: Path, flavour: str) -> Iterator[Topology]:
    """Run two servers, the second a copy of the first that replicates from it."""
    options = _OPTIONS[flavour]
    one = BinlogSource(folder / "one", flavour, options)
    with one:
        one.write(5)
        one.copy_to(folder / "two")
        copy = folder / "copy"
        kept_out = shutil.ignore_patterns("binlog.*", "auto.cnf")
        shutil.copytree(folder / "one", copy, ignore=kept_out)
        one.server.start()
        new = flavour == "mysql"
        status = "SHOW BINARY LOG STATUS" if new else "SHOW MASTER STATUS"
        ((file, position, *_),) = one.execute(status)
        gtids = "gtid_executed" if new else "gtid_binlog_pos"
        ((has,),) = one.execute(f"SELECT @@GLOBAL.{gtids}")
        base = Archive(flavour, copy, FolderBinlogs(folder / "one"), file, position, has)
        with BinlogSource(folder / "two", flavour, options, server_id=2) as two:
            both = Topology(one, two, base)
            both.follow()
            yield both
