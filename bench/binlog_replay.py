"""How fast are binlogs replayed? python -m bench.binlog_replay [MB] [FOLDER]

A MySQL writes so many MB of binlog (200); then the same bytes are applied to copies of what it was
before: from Mooring as the source, and by mysqlbinlog | mysql. CPU seconds are those of the server
and of whatever feeds it. Needs MOORING_TEST_MYSQL, with mysqlbinlog and mysql.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from backups.binlogs.source.served import Served
from backups.programs.compatibility import MYSQL
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.programs.server_program import mysql_program
from backups.restores.replay.account import ReplayAccount
from backups.restores.replay.drive import Replay
from backups.restores.replay.statements import ReplayTarget
from bench.measure import BenchError
from tests.live.binlog_folder import FolderBinlogs
from tests.live.mysql import PrivateMysql, program
from tests.live.replaying import VERSIONS

WORKERS = 4
CHECKSUMS = "CHECKSUM TABLE bank.accounts, bank.moves"
SCHEMA = (
    "CREATE DATABASE bank",
    "CREATE TABLE bank.accounts (id INT PRIMARY KEY, money BIGINT NOT NULL, note CHAR(120))",
    "CREATE TABLE bank.moves (id INT PRIMARY KEY AUTO_INCREMENT, a INT, b INT, note CHAR(120))",
    "INSERT INTO bank.accounts WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n "
    "WHERE id < 1000) SELECT id, 1000, REPEAT('x', 120) FROM n",
    """
    CREATE PROCEDURE bank.write_some(wanted INT)
    BEGIN
      DECLARE a INT; DECLARE b INT; DECLARE done INT DEFAULT 0;
      WHILE done < wanted DO
        SET a = 1 + FLOOR(RAND() * 999), b = a + 1, done = done + 1;
        START TRANSACTION;
        UPDATE bank.accounts SET money = money - 7 WHERE id = a;
        UPDATE bank.accounts SET money = money + 7 WHERE id = b;
        INSERT INTO bank.moves (a, b, note) VALUES (a, b, REPEAT('y', 120));
        COMMIT;
      END WHILE;
    END
    """,
)
HASTY = {"innodb-flush-log-at-trx-commit": "0", "sync-binlog": "0", "innodb-doublewrite": "OFF"}


@dataclass(frozen=True, slots=True)
class Written:
    """What is replayed, and what has to come out."""

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
        return Served(self.binlogs, stretches, MYSQL, start_gtids=self.gtids)


@dataclass(frozen=True, slots=True)
class ReplayFigures:
    """One way to replay."""

    name: str
    bytes: int
    wall_s: float
    server_cpu_s: float
    feeder_cpu_s: float

    def line(self) -> str:
        return (
            f"{self.name}: {self.bytes / 1e6:.0f} MB in {self.wall_s:.1f} s, "
            f"{self.bytes / self.wall_s / 1e6:.1f} MB/s; CPU {self.server_cpu_s:.1f} s of the "
            f"server, {self.feeder_cpu_s:.1f} s of what feeds it"
        )


def write(folder: Path, wanted_mb: int) -> Written:
    """Write so much binlog after a cold copy."""
    source, copy = folder / "source", folder / "copy"
    options = {"max-binlog-size": "64M", "event-scheduler": "OFF", **HASTY}
    with PrivateMysql(source, options) as server:
        server.execute(*SCHEMA)
        ((gtids,),) = server.execute("SELECT @@GLOBAL.gtid_executed")
        server.stop()
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("binlog.*", "auto.cnf"))
    with PrivateMysql(source, options) as server:
        ((file, position, *_),) = server.execute("SHOW BINARY LOG STATUS")
        while sum(each.stat().st_size for each in source.glob("binlog.0*")) < wanted_mb * 10**6:
            server.execute("CALL bank.write_some(2000)")
        ((last, end, *_),) = server.execute("SHOW BINARY LOG STATUS")
        checksums: list[object] = list(server.execute(CHECKSUMS))
        server.stop()
    return Written(copy, FolderBinlogs(source), file, position, (last, end), gtids, checksums)


def from_mooring(written: Written, data: Path) -> ReplayFigures:
    target = ReplayTarget(MYSQL, VERSIONS[MYSQL], workers=WORKERS)
    account = ReplayAccount(MYSQL)

    def apply(server: PrivateServer) -> float:
        began = _cpu(resource.RUSAGE_SELF)
        Replay(server, written.served, target, account).run()
        return _cpu(resource.RUSAGE_SELF) - began

    return _measure("Mooring as the source", written, data, target, account, apply)


def from_pipe(written: Written, data: Path) -> ReplayFigures:
    target = ReplayTarget(MYSQL, VERSIONS[MYSQL], workers=WORKERS)
    account = ReplayAccount(MYSQL)

    def apply(server: PrivateServer) -> float:
        began = _cpu(resource.RUSAGE_CHILDREN)
        _pipe(written, server, account)
        return _cpu(resource.RUSAGE_CHILDREN) - began

    return _measure("mysqlbinlog | mysql", written, data, target, account, apply)


def _pipe(written: Written, server: PrivateServer, account: ReplayAccount) -> None:
    names = [each.file for each in written.served.stretches]
    read = [program("mysqlbinlog"), f"--start-position={written.position}"]
    read += [f"--stop-position={written.end[1]}", *names]
    options = server.run_folder / "client.cnf"
    options.write_text(f"[client]\nuser={account.user}\npassword={account.password}\n")
    load = [program("mysql"), f"--defaults-file={options}", f"--socket={server.socket}"]
    load += ["--binary-mode", "--max-allowed-packet=1G"]
    reader = subprocess.Popen(read, cwd=written.binlogs.folder, stdout=subprocess.PIPE)
    loaded = subprocess.run(load, stdin=reader.stdout, check=False)
    if reader.wait() or loaded.returncode:
        raise BenchError("mysqlbinlog | mysql failed")


def _measure(
    name: str,
    written: Written,
    data: Path,
    target: ReplayTarget,
    account: ReplayAccount,
    apply: Callable[[PrivateServer], float],
) -> ReplayFigures:
    shutil.copytree(written.copy, data)
    with _running(data, target, account) as server:
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
def _running(data: Path, target: ReplayTarget, account: ReplayAccount) -> Iterator[PrivateServer]:
    with account.file((os.geteuid(), os.getegid())) as grants:
        settings = ServerOptions(
            confined=True,
            reaches_us=True,
            server_id=4_000_000,
            program=mysql_program(program("mysqld"), VERSIONS[MYSQL]),
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
    settings = ServerOptions(
        skip_grant_tables=True, program=mysql_program(program("mysqld"), VERSIONS[MYSQL])
    )
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


def main(arguments: list[str]) -> int:
    wanted_mb = int(arguments[0]) if arguments else 200
    where = arguments[1] if len(arguments) > 1 else None
    with tempfile.TemporaryDirectory(dir=where, prefix="replay-") as name:
        folder = Path(name)
        written = write(folder, wanted_mb)
        print(f"{len(written.served.stretches)} files, load {os.getloadavg()[0]:.1f}")
        ours = from_mooring(written, folder / "ours")
        print(ours.line(), flush=True)
        pipe = from_pipe(written, folder / "pipe")
        print(pipe.line())
        cpu = [each.server_cpu_s + each.feeder_cpu_s for each in (ours, pipe)]
        print(f"{pipe.wall_s / ours.wall_s:.1f} times as fast for {cpu[0] / cpu[1]:.2f} of the CPU")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
