"""Which options and statements make a private server replay from our source?

Pure: of each flavour and version its own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backups.binlogs.source.login import SourceAccount
from backups.programs.compatibility import MARIADB, Version

# Older releases use MASTER and SLAVE.
_SOURCE_SINCE = (8, 0, 23)
_STATUS_SINCE = (8, 0, 22)
_OPTIONS_SINCE = (8, 0, 26)
RELAY_LOG = "mooring-relay"
# What is received and not applied yet takes room beside the data. After a kill it is what may have
# been begun: see ``doubt``. A file goes once it is applied. Less than 4 GiB: positions are named
# modulo 2^32.
_RELAY_SPACE, _RELAY_FILE = "256M", "32M"
# While it is on, a commit is on the disk: a kill must not take back from where the replay begins.
# FLUSH ENGINE LOGS does nothing on MariaDB while it is off.
_DURABLE, _HASTY = (f"SET GLOBAL innodb_flush_log_at_trx_commit = {number}" for number in (1, 0))
_PACKET = "1G"
# A large transaction may take long; whether the source is there is seen otherwise.
_NET_SECONDS = "3600"
_HEARTBEAT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class ReplayTarget:
    """The server that replays."""

    flavour: str
    version: Version
    gtid_mode: str = "ON"
    workers: int = 4
    buffer_pool_bytes: int = 256 * 1024 * 1024
    # Whether it reads relay logs that lie in its folder, and no source.
    by_relay_logs: bool = False

    @property
    def is_mariadb(self) -> bool:
        return self.flavour == MARIADB

    @property
    def by_gtid(self) -> bool:
        return self.is_mariadb or self.gtid_mode == "ON"

    def options(self) -> Mapping[str, str]:
        """Return the options of its start, beyond those of any restored server."""
        old = self.is_mariadb or self.version < _OPTIONS_SINCE
        word = "slave" if old else "replica"
        options = {
            "max-allowed-packet": _PACKET,
            "innodb-buffer-pool-size": str(self.buffer_pool_bytes),
            # A kill takes back what was committed last, with the position: it is replayed again. A
            # torn page has redo, and crash recovery ends where it reads one.
            "innodb-flush-log-at-trx-commit": "0",
            "innodb-doublewrite": "OFF",
            # Disabled, it would refuse to create one; off, it runs none.
            "event-scheduler": "OFF",
            "relay-log": RELAY_LOG,
            "relay-log-space-limit": _RELAY_SPACE,
            "max-relay-log-size": _RELAY_FILE,
            "sync-relay-log": "0",
            # Whatever id the transactions' server had: none of them is this server's own.
            "replicate-same-server-id": "ON",
            f"{word}-net-timeout": _NET_SECONDS,
            f"{word}-max-allowed-packet": _PACKET,
        }
        if self.is_mariadb:
            options |= {"slave-parallel-threads": str(self.workers), "sync-master-info": "0"}
            return options | {"sync-relay-log-info": "0", "slave-parallel-max-queued": "16M"}
        if self.by_relay_logs:
            options |= {"relay-log-purge": "OFF"}
        options |= {f"{word}-parallel-workers": str(self.workers)}
        options |= {f"{word}-preserve-commit-order": "ON"}
        if self.version < _OPTIONS_SINCE:
            # Of it, commits in order need the next.
            options |= {"slave-parallel-type": "LOGICAL_CLOCK"}
        consistent = "ON" if self.gtid_mode == "ON" else "OFF"
        return options | {"gtid-mode": self.gtid_mode, "enforce-gtid-consistency": consistent}

    def forget(self) -> list[str]:
        """Return what removes every replication setting."""
        if self.is_mariadb:
            return ["STOP ALL SLAVES", "RESET SLAVE ALL"]
        word = self._word
        return [f"STOP {word}", f"RESET {word} ALL"]

    def follow(
        self, port: int, account: SourceAccount, *, start_gtids: str, file: str, position: int
    ) -> list[str]:
        """Return what connects it to the source, for transactions from a place on."""
        if self.is_mariadb:
            return [
                _DURABLE,
                f"SET GLOBAL gtid_slave_pos = '{start_gtids}'",
                f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, "
                f"MASTER_USER='{account.user}', MASTER_PASSWORD='{account.password}', "
                f"MASTER_CONNECT_RETRY=1, MASTER_HEARTBEAT_PERIOD={_HEARTBEAT_SECONDS}, "
                "MASTER_SSL=0, MASTER_SSL_VERIFY_SERVER_CERT=0, MASTER_USE_GTID=slave_pos",
                _HASTY,
                "START SLAVE",
            ]
        word = "SOURCE" if self.version >= _SOURCE_SINCE else "MASTER"
        verb = "CHANGE REPLICATION SOURCE" if word == "SOURCE" else "CHANGE MASTER"
        place = (
            f"{word}_AUTO_POSITION=1"
            if self.by_gtid
            else f"{word}_AUTO_POSITION=0, {word}_LOG_FILE='{file}', {word}_LOG_POS={position}"
        )
        return [
            _DURABLE,
            f"{verb} TO {word}_HOST='127.0.0.1', {word}_PORT={port}, {word}_SSL=0, "
            f"{word}_CONNECT_RETRY=1, {word}_HEARTBEAT_PERIOD={_HEARTBEAT_SECONDS}, {place}",
            _HASTY,
            f"START {self._word} USER='{account.user}' PASSWORD='{account.password}'",
        ]

    def read_logs(self, file: str) -> list[str]:
        """Return what makes it apply relay logs in its folder, from a file on. MySQL only."""
        word = "SOURCE" if self.version >= _SOURCE_SINCE else "MASTER"
        verb = "CHANGE REPLICATION SOURCE" if word == "SOURCE" else "CHANGE MASTER"
        return [
            _DURABLE,
            f"{verb} TO {word}_HOST='dummy', {word}_AUTO_POSITION=0, "
            f"RELAY_LOG_FILE='{file}', RELAY_LOG_POS=4",
            _HASTY,
            f"START {self._word} SQL_THREAD",
        ]

    @property
    def stop(self) -> str:
        return "STOP SLAVE" if self.is_mariadb else f"STOP {self._word}"

    @property
    def status(self) -> str:
        return "SHOW SLAVE STATUS" if self.is_mariadb else f"SHOW {self._word} STATUS"

    @property
    def executed(self) -> str:
        """What it has, in the words of its flavour."""
        variable = "gtid_slave_pos" if self.is_mariadb else "gtid_executed"
        return f"SELECT @@GLOBAL.{variable}"

    @property
    def _word(self) -> str:
        return "REPLICA" if self.version >= _STATUS_SINCE else "SLAVE"
