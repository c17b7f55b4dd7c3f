"""What do receivers cost that have nothing to do, or a little, and the source's wait its writers?

Two hundred archives of one private MariaDB, received by the process of ``up``; one archive of a
source that writes a megabyte a second; and commits per second of a source with and without an
acknowledgement per commit.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pymysql

from bench.mooring import OTHERS, ROOT
from tests.live.binlog_source import BinlogSource

HASTY = {"innodb-flush-log-at-trx-commit": "0", "sync-binlog": "0"}
# A transaction as it is in the binary log, nearly all of it a text.
LIVE_ROW_BYTES, LIVE_TEXT_BYTES = 2300, 2000


def idle_cost(instances: int, seconds: float) -> tuple[float, float]:
    """Return the memory in MiB and the share of a core of receivers that have nothing to do."""
    options = {"max-connections": str(instances * 2 + 50)}
    with (
        tempfile.TemporaryDirectory(prefix="mooring-bench-") as folder,
        BinlogSource(Path(folder) / "data", "mariadb", options) as source,
        receivers(Path(folder) / "home", source, instances) as process,
    ):
        _wait_for_replicas(source, instances)
        time.sleep(15)
        before = _used(process)
        time.sleep(seconds)
        return process.memory_info().rss / 2**20, (_used(process) - before) / seconds


def live_cost(flavour: str, seconds: float, *, stored: bool) -> tuple[float, float]:
    """Return megabytes per second of binary log, and the share of a core that receiving took.

    ``stored``: into an encrypted repository, too.
    """
    with (
        tempfile.TemporaryDirectory(prefix="mooring-bench-") as folder,
        BinlogSource(Path(folder) / "data", flavour, HASTY) as source,
        receivers(Path(folder) / "home", source, 1, stored=stored) as process,
    ):
        _wait_for_replicas(source, 1)
        over = threading.Event()
        writer = threading.Thread(target=_write_live, args=(source, over))
        writer.start()
        time.sleep(5)
        began, size, used = time.monotonic(), _written(source), _used(process)
        time.sleep(seconds)
        took, size, used = time.monotonic() - began, _written(source) - size, _used(process) - used
        over.set()
        writer.join()
        return size / took / 1e6, used / took


def _write_live(source: BinlogSource, over: threading.Event) -> None:
    """Write about a megabyte a second in small transactions."""
    began, rows = time.monotonic(), 0
    with source.connect() as connection, connection.cursor() as cursor:
        while not over.wait(max(0.0, began + rows * LIVE_ROW_BYTES / 1e6 - time.monotonic())):
            cursor.execute(f"INSERT INTO shop.lines (t) VALUES (REPEAT('x', {LIVE_TEXT_BYTES}))")
            connection.commit()
            rows += 1


def _written(source: BinlogSource) -> int:
    return sum(size for _, size in source.files())


def _used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def commits_per_second(flavour: str, writers: int, seconds: float, *, acknowledged: bool) -> float:
    """Return how many commits a source's writers get through."""
    with (
        tempfile.TemporaryDirectory(prefix="mooring-bench-") as folder,
        BinlogSource(Path(folder) / "data", flavour) as source,
        receivers(Path(folder) / "home", source, 1, acknowledge=acknowledged),
    ):
        if acknowledged:
            source.wait_for_replica()
            _wait_for_semi_sync(source)
        else:
            _wait_for_replicas(source, 1)
        return _write(source, writers, seconds)


@contextmanager
def receivers(
    home: Path,
    source: BinlogSource,
    instances: int,
    *,
    acknowledge: bool = False,
    stored: bool = False,
) -> Iterator[psutil.Process]:
    """Run the process that receives, in a state folder of its own."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(OTHERS)}
    environment = {**kept, "MOORING_HOME": str(home), "DJANGO_SETTINGS_MODULE": "monitor.settings"}
    prepare = [sys.executable, "-m", "scripts.prepare"]
    subprocess.run(prepare, cwd=ROOT, env=environment, check=True, capture_output=True)
    fill = [sys.executable, "-m", "bench.binlog_rows", str(source.port), str(instances)]
    fill += [str(int(acknowledge)), str(int(stored))]
    subprocess.run(fill, cwd=ROOT, env=environment, check=True)
    argv = [sys.executable, "manage.py", "receivebinlogs"]
    with (home / "receivers.log").open("wb") as log:
        process = subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def _wait_for_replicas(source: BinlogSource, count: int) -> None:
    question = (
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'"
    )
    while source.execute(question)[0][0] < count:
        time.sleep(0.5)


def _wait_for_semi_sync(source: BinlogSource) -> None:
    question = "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync%clients'"
    while all(row[1] == "0" for row in source.execute(question)):
        time.sleep(0.5)


def _write(source: BinlogSource, writers: int, seconds: float) -> float:
    counts, over = [0] * writers, threading.Event()

    def work(writer: int) -> None:
        connection: pymysql.connections.Connection = source.connect()
        with connection, connection.cursor() as cursor:
            while not over.is_set():
                cursor.execute("INSERT INTO shop.lines (t) VALUES (REPEAT('x', 200))")
                connection.commit()
                counts[writer] += 1

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    over.set()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds
