"""Which ratios does Mooring promise, and which are only reported?"""

from __future__ import annotations

from collections.abc import Sequence

from bench.samples import Place, Ratio

RSS_LIMIT_MIB = 350
# Two runs on the same data differ by about as much.
SAME = 1.10


def _backup(candidate: str, figure: str = "wall_s") -> Place:
    return Place("backup", candidate, figure)


def _extract(candidate: str, figure: str = "wall_s") -> Place:
    return Place("extract", candidate, figure)


def _load(candidate: str, figure: str) -> Place:
    return Place("load", candidate, figure)


def _memory(candidate: str) -> Place:
    return Place("memory", candidate, "peak_rss_mib")


RATIOS: Sequence[Ratio] = (
    Ratio(
        "backup, whole process ÷ zstd pipeline",
        _backup("mooring"),
        _backup("zstd"),
        at_most=0.85,
        stretch=0.70,
    ),
    Ratio(
        "backup, job ÷ zstd pipeline",
        _backup("mooring", "job_s"),
        _backup("zstd"),
        at_most=0.85,
        stretch=0.70,
    ),
    Ratio(
        "backup, whole process ÷ pipeline that does the same work",
        _backup("mooring"),
        _backup("same work"),
        at_most=0.70,
        stretch=0.60,
    ),
    Ratio(
        "backup, job ÷ pipeline that does the same work",
        _backup("mooring", "job_s"),
        _backup("same work"),
        at_most=0.70,
        stretch=0.60,
    ),
    Ratio(
        "stored bytes ÷ zstd pipeline",
        _backup("mooring", "stored_bytes"),
        _backup("zstd", "stored_bytes"),
        at_most=1.02,
    ),
    Ratio(
        "backup, copy stage ÷ engine alone",
        _backup("mooring", "copy_s"),
        _backup("engine alone"),
    ),
    Ratio(
        "extract, stage ÷ zstd and mbstream",
        _extract("mooring", "stage_s"),
        _extract("zstd"),
        at_most=0.80,
    ),
    Ratio(
        "extract, whole process ÷ zstd and mbstream",
        _extract("mooring"),
        _extract("zstd"),
        at_most=0.80,
    ),
    Ratio("peak RSS at the small size, MiB", _memory("small"), at_most=RSS_LIMIT_MIB),
    Ratio("peak RSS at the big size, MiB", _memory("big"), at_most=RSS_LIMIT_MIB),
    Ratio("peak RSS, big ÷ small size", _memory("big"), _memory("small"), at_most=SAME),
    Ratio("dump ÷ backup, whole process", _backup("dump"), _backup("mooring")),
    Ratio(
        "loading the dump ÷ restore to a started server",
        Place("restore", "dump", "wall_s"),
        Place("restore", "mooring", "wall_s"),
    ),
    Ratio("tps during a backup ÷ without", _load("mooring", "tps"), _load("nothing", "tps")),
    Ratio("tps during the zstd pipeline ÷ without", _load("zstd", "tps"), _load("nothing", "tps")),
    Ratio(
        "p99 during a backup ÷ during the zstd pipeline",
        _load("mooring", "p99_ms"),
        _load("zstd", "p99_ms"),
    ),
    Ratio("lock time of a backup under load, s", _load("mooring", "lock_s")),
    Ratio(
        "prepare, 1 GiB of memory ÷ 96 MiB",
        Place("prepare", "1 GiB", "wall_s"),
        Place("prepare", "96 MiB", "wall_s"),
    ),
)
