"""How fast are binlogs replayed, from Mooring as the source and by the programs' pipe?

A server writes so many MB of binlog; then the same bytes are applied to copies of what it was
before, and the tables compared. CPU seconds are those of the server and of whatever feeds it.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from backups.binlogs.source.served import Served
from backups.programs.compatibility import MYSQL
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.programs.server_program import ServerProgram, mysql_program
from backups.restores.replay.account import ReplayAccount
from backups.restores.replay.drive import Replay
from backups.restores.replay.statements import ReplayTarget
from bench.bank import SCHEMA
from bench.binlog_programs import mariadb_binlog
from bench.measure import BenchError
from tests.live.binlog_folder import FolderBinlogs
from tests.live.binlog_source import BinlogSource
from tests.live.mysql import program
from tests.live.replaying import VERSIONS

WORKERS = 4
CHECKSUMS = "CHECKSUM TABLE bank.accounts, bank.moves"
HASTY = {"innodb-flush-log-at-trx-commit": "0", "sync-binlog": "0", "innodb-doublewrite": "OFF"}
SOURCE_OPTIONS = {"max-binlog-size": "64M", "event-scheduler": "OFF", **HASTY}


@dataclass(frozen=True, slots=True)
class Written:
    """What is replayed, and what has to come out."""

    flavour: str
    copy: Path
    binlogs: FolderBinlogs
    file: str
    position: int
    end: tuple[str, int]
    gtids: str
    checksums: list[object]

    @property
    def served(self) -> Served:
        stretches = self.binlogs.stretches(self.file, self.position, self.end)
        return Served(self.binlogs, stretches, self.flavour, start_gtids=self.gtids)

    @property
    def program(self) -> ServerProgram | None:
        if self.flavour != MYSQL:
            return None
        return mysql_program(program("mysqld"), VERSIONS[MYSQL])


@dataclass(frozen=True, slots=True)
class ReplayFigures:
    """One way to replay."""

    name: str
    bytes: int
    wall_s: float
    server_cpu_s: float
    feeder_cpu_s: float

    @property
    def cpu_s(self) -> float:
        return self.server_cpu_s + self.feeder_cpu_s

    def line(self) -> str:
        return (
            f"{self.name}: {self.bytes / 1e6:.0f} MB in {self.wall_s:.1f} s, "
            f"{self.bytes / self.wall_s / 1e6:.1f} MB/s; CPU {self.server_cpu_s:.1f} s of the "
            f"server, {self.feeder_cpu_s:.1f} s of what feeds it"
        )


def write(folder: Path, flavour: str, wanted_mb: int) -> Written:
    """Write so much binlog after a cold copy."""
    mysql = flavour == MYSQL
    status = "SHOW BINARY LOG STATUS" if mysql else "SHOW MASTER STATUS"
    executed = "gtid_executed" if mysql else "gtid_binlog_pos"
    data, copy = folder / "source", folder / "copy"
    with BinlogSource(data, flavour, SOURCE_OPTIONS) as source:
        source.execute(*SCHEMA)
        ((gtids,),) = source.execute(f"SELECT @@GLOBAL.{executed}")
    shutil.copytree(data, copy, ignore=shutil.ignore_patterns("binlog.*", "auto.cnf"))
    with BinlogSource(data, flavour, SOURCE_OPTIONS) as source:
        ((file, position, *_),) = source.execute(status)
        while sum(size for name, size in source.files() if name >= file) < wanted_mb * 10**6:
            source.execute("CALL bank.write_some(2000)")
        ((last, end, *_),) = source.execute(status)
        checksums: list[object] = list(source.execute(CHECKSUMS))
    binlogs = FolderBinlogs(data)
    return Written(flavour, copy, binlogs, file, position, (last, end), gtids, checksums)


def from_mooring(written: Written, data: Path) -> ReplayFigures:
    target, account = _target(written), ReplayAccount(written.flavour)

    def apply(server: PrivateServer) -> float:
        began = _cpu(resource.RUSAGE_SELF)
        Replay(server, written.served, target, account).run()
        return _cpu(resource.RUSAGE_SELF) - began

    return _measure("Mooring as the source", written, data, target, account, apply)


def from_pipe(written: Written, data: Path) -> ReplayFigures:
    target, account = _target(written), ReplayAccount(written.flavour)

    def apply(server: PrivateServer) -> float:
        began = _cpu(resource.RUSAGE_CHILDREN)
        _pipe(written, server, account)
        return _cpu(resource.RUSAGE_CHILDREN) - began

    return _measure("the programs' pipe", written, data, target, account, apply)


def _target(written: Written) -> ReplayTarget:
    return ReplayTarget(written.flavour, VERSIONS[written.flavour], workers=WORKERS)


def _pipe(written: Written, server: PrivateServer, account: ReplayAccount) -> None:
    mysql = written.flavour == MYSQL
    names = [each.file for each in written.served.stretches]
    read = [program("mysqlbinlog") if mysql else mariadb_binlog()]
    read += [f"--start-position={written.position}", f"--stop-position={written.end[1]}", *names]
    options = server.run_folder / "client.cnf"
    options.write_text(f"[client]\nuser={account.user}\npassword={account.password}\n")
    load = [program("mysql") if mysql else "mariadb", f"--defaults-file={options}"]
    load += [f"--socket={server.socket}", "--binary-mode", "--max-allowed-packet=1G"]
    reader = subprocess.Popen(read, cwd=written.binlogs.folder, stdout=subprocess.PIPE)
    loaded = subprocess.run(load, stdin=reader.stdout, check=False)
    if reader.wait() or loaded.returncode:
        raise BenchError("the pipe failed")


def _measure(
    name: str,
    written: Written,
    data: Path,
    target: ReplayTarget,
    account: ReplayAccount,
    apply: Callable[[PrivateServer], float],
) -> ReplayFigures:
    shutil.copytree(written.copy, data)
    with _running(written, data, target, account) as server:
        process = psutil.Process(server.pid)
        before, began = process.cpu_times(), time.monotonic()
        feeder = apply(server)
        wall, after = time.monotonic() - began, process.cpu_times()
        server.shut_down()
    check(data, written)
    shutil.rmtree(data)
    cpu = after.user + after.system - before.user - before.system
    return ReplayFigures(name, written.served.bytes_total, wall, cpu, feeder)


@contextmanager
def _running(
    written: Written, data: Path, target: ReplayTarget, account: ReplayAccount
) -> Iterator[PrivateServer]:
    with account.file((os.geteuid(), os.getegid())) as grants:
        settings = ServerOptions(
            confined=True,
            reaches_us=True,
            server_id=4_000_000,
            program=written.program,
            readable=(grants,),
            options={**target.options(), "init-file": str(grants)},
        )
        server = PrivateServer(data, settings)
        server.start()
    try:
        yield server
    finally:
        server.stop()


def check(data: Path, written: Written) -> None:
    """Raise where a replay has made other tables."""
    settings = ServerOptions(skip_grant_tables=True, program=written.program)
    with (
        PrivateServer(data, settings) as server,
        server.connect() as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(CHECKSUMS)
        if list(cursor.fetchall()) != written.checksums:
            raise BenchError("the replayed tables are not those of the source")


def _cpu(whose: int) -> float:
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime
