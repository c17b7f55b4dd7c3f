"""How do writers fare beside a backup? sysbench at a fixed rate, and what it reported."""

from __future__ import annotations

import math
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from backups.programs.private_server import PrivateServer
from bench.database import sysbench_argv
from bench.measure import BenchError, tail

SCRIPT = Path(__file__).with_name("write_load.lua")
_EACH_SECOND = re.compile(r"^\[ \d+s \].*? tps: ([\d.]+)", re.MULTILINE)
_TOTAL = re.compile(r"transactions:\s+(\d+)\s+\(([\d.]+) per sec")
_LONGEST = re.compile(r"^\s+max:\s+([\d.]+)", re.MULTILINE)
_BUCKET = re.compile(r"^\s*([\d.]+) \|\**\s+(\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class LoadReport:
    """Transactions per second, and how long they took with their time in the queue."""

    tps: float
    worst_second_tps: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    longest_ms: float

    def figures(self) -> dict[str, float]:
        return asdict(self)


class WriteLoad:
    """Offers ``rate`` transactions a second to a server while something else is done."""

    def __init__(self, server: PrivateServer, folder: Path, *, rate: int, table_rows: int) -> None:
        self._stop_file, self.log = folder / "stop", folder / "sysbench.log"
        self._argv = sysbench_argv(
            str(SCRIPT),
            server,
            f"--table-size={table_rows}",
            f"--rate={rate}",
            "--time=0",
            "--report-interval=1",
            "--histogram=on",
            "--percentile=99",
            f"--stop-file={self._stop_file}",
            "run",
        )

    def beside(self, work: Callable[[], object]) -> LoadReport:
        """Have the writers write until ``work`` is done."""
        self._stop_file.unlink(missing_ok=True)
        with self.log.open("wb") as log:
            writers = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            work()
        except BaseException:
            writers.kill()
            raise
        finally:
            self._stop_file.touch()
            exit_code = writers.wait()
        if exit_code:
            raise BenchError(f"sysbench ended with {exit_code}:\n{tail(self.log)}")
        return parse_report(self.log.read_text(encoding="utf-8"))


def parse_report(text: str) -> LoadReport:
    """Read what sysbench printed at its end."""
    total, longest = _TOTAL.search(text), _LONGEST.search(text)
    buckets = [(float(ms), int(count)) for ms, count in _BUCKET.findall(text)]
    if total is None or longest is None or not buckets:
        raise BenchError(f"sysbench reported nothing that can be read:\n{text[-2000:]}")
    seconds = [float(tps) for tps in _EACH_SECOND.findall(text)]
    return LoadReport(
        tps=float(total[2]),
        worst_second_tps=min(seconds, default=float(total[2])),
        p50_ms=percentile(buckets, 50),
        p95_ms=percentile(buckets, 95),
        p99_ms=percentile(buckets, 99),
        longest_ms=float(longest[1]),
    )


def percentile(buckets: Sequence[tuple[float, int]], per_cent: int) -> float:
    """Return the bucket that so many per cent of all counts are in or below."""
    wanted = math.ceil(sum(count for _, count in buckets) * per_cent / 100)
    seen = 0
    for value, count in buckets:
        seen += count
        if seen >= wanted:
            return value
    raise ValueError("no bucket at all")
