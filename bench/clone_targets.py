"""Which ratios of clones does Mooring promise, and which are only reported?"""

from __future__ import annotations

from collections.abc import Sequence

from bench.samples import Place, Ratio
from bench.targets import RSS_LIMIT_MIB


def _backup(candidate: str, figure: str = "wall_s") -> Place:
    return Place("backup", candidate, figure)


def _restore(candidate: str) -> Place:
    return Place("restore", candidate, "wall_s")


def _load(candidate: str, figure: str) -> Place:
    return Place("load", candidate, figure)


def _memory(candidate: str) -> Place:
    return Place("memory", candidate, "peak_rss_mib")


LOCAL, PLAIN = "clone local", "mooring without TLS"

CLONE_RATIOS: Sequence[Ratio] = (
    Ratio(
        "backup, whole process ÷ CLONE LOCAL, tar and zstd",
        _backup("mooring"),
        _backup(LOCAL),
        at_most=1.0,
    ),
    Ratio("backup, job ÷ CLONE LOCAL, tar and zstd", _backup("mooring", "job_s"), _backup(LOCAL)),
    Ratio("backup without TLS, whole process ÷ CLONE LOCAL …", _backup(PLAIN), _backup(LOCAL)),
    Ratio("backup without TLS, job ÷ CLONE LOCAL …", _backup(PLAIN, "job_s"), _backup(LOCAL)),
    Ratio("backup, whole process ÷ mysqldump and zstd", _backup("mooring"), _backup("dump")),
    Ratio("backup, job ÷ mysqldump and zstd", _backup("mooring", "job_s"), _backup("dump")),
    Ratio(
        "stored bytes ÷ CLONE LOCAL, tar and zstd",
        _backup("mooring", "stored_bytes"),
        _backup(LOCAL, "stored_bytes"),
    ),
    Ratio("bytes staged on disk by a backup", _backup("mooring", "staged_bytes"), at_most=0),
    Ratio("restore to a started server ÷ loading the dump", _restore("mooring"), _restore("dump")),
    Ratio("peak RSS with 1 connection, MiB", _memory("1 connection"), at_most=RSS_LIMIT_MIB),
    Ratio("peak RSS with 3 workers, MiB", _memory("3 workers"), at_most=RSS_LIMIT_MIB),
    Ratio("tps during a backup ÷ without", _load("mooring", "tps"), _load("nothing", "tps")),
    Ratio("tps during CLONE LOCAL … ÷ without", _load(LOCAL, "tps"), _load("nothing", "tps")),
    Ratio("p99 during a backup ÷ without", _load("mooring", "p99_ms"), _load("nothing", "p99_ms")),
    Ratio(
        "p99 during a backup ÷ during CLONE LOCAL …",
        _load("mooring", "p99_ms"),
        _load(LOCAL, "p99_ms"),
    ),
    Ratio("lock time of a backup under load, s", _load("mooring", "lock_s"), at_most=0),
)
