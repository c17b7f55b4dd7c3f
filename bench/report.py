"""How are the figures shown? As tables for people, and as JSON for whoever compares runs."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from bench.samples import Place, Result, Samples

PROGRAMS = (("mariadbd", "--version"), ("mariadb-backup", "--version"), ("zstd", "--version"))
HEADINGS: Mapping[str, str] = {
    "backup": "Backups",
    "extract": "Extracting the stored copy, unprepared",
    "restore": "From the stored copy to a server that answers",
    "incremental": "Incremental backups after one per cent of the rows was changed",
    "chain": "Restoring a chain, unprepared",
    "prepared": "Restoring a chain, with everything applied",
    "scattered": "Clones after one per cent of the rows was changed, at random places",
    "clustered": "Clones after one per cent of the rows was changed, in one stretch",
    "consolidate": "Making a full backup of a chain",
    "load": "Writers beside a backup",
    "mariadb": "Writers beside a backup of MariaDB",
    "mysql": "Writers beside a backup of MySQL",
    "mariadb-burst": "Backups of MariaDB while a small redo log is written over",
    "mysql-burst": "Backups of MySQL while a small redo log is written over",
    "prepare": "Prepare with little and with more memory",
    "optimistic": "Optimistic backups beside normal ones",
    "rows": "To the first row of one of eight tables in a backup",
    "one table": "Restoring one table of a hundredth of the rows",
    "memory": "Resident memory of Mooring's process",
}


def tables(samples: Samples, results: Sequence[Result]) -> str:
    """Return everything that was measured, as Markdown."""
    parts = [_section(samples, section) for section in samples.sections()]
    if results:
        rows = [_result_row(result) for result in results]
        head = ("ratio", "value", "target", "stretch", "")
        parts.append("## Ratios of the medians\n\n" + _table(head, rows))
    return "\n\n".join(parts)


def as_json(
    samples: Samples,
    results: Sequence[Result],
    asked: Mapping[str, object],
    seconds: float,
    programs: Sequence[Sequence[str]] = PROGRAMS,
) -> str:
    """Return the same, with every round."""
    return json.dumps(
        {
            "machine": _machine(programs),
            "asked": {name: _plain(value) for name, value in asked.items()},
            "took_s": round(seconds, 1),
            "rounds": [asdict(sample) for sample in samples.kept],
            "medians": {
                section: {
                    candidate: {
                        figure: samples.median(Place(section, candidate, figure))
                        for figure in _figures(samples, section, candidate)
                    }
                    for candidate in samples.candidates(section)
                }
                for section in samples.sections()
            },
            "ratios": [{**asdict(result), "verdict": result.verdict} for result in results],
        },
        indent=2,
    )


def _section(samples: Samples, section: str) -> str:
    candidates = samples.candidates(section)
    figures = list(
        dict.fromkeys(
            name for candidate in candidates for name in _figures(samples, section, candidate)
        )
    )
    rows = [
        (
            candidate,
            *(_spread(samples.values(Place(section, candidate, name)), name) for name in figures),
        )
        for candidate in candidates
    ]
    head = ("", *(_heading(name) for name in figures))
    return f"## {HEADINGS[section]}\n\n" + _table(head, rows)


def _figures(samples: Samples, section: str, candidate: str) -> list[str]:
    figures = [
        name
        for sample in samples.kept
        if (sample.section, sample.candidate) == (section, candidate)
        for name in sample.figures
    ]
    return list(dict.fromkeys(figures))


def _heading(figure: str) -> str:
    """Say the unit the figure is shown in."""
    for ending, unit in (("_bytes", " MB"), ("_ms", " ms"), ("_mib", " MiB"), ("_s", " s")):
        if figure.endswith(ending):
            return figure.removesuffix(ending).replace("_", " ") + unit
    return figure.replace("_", " ")


def _spread(values: Sequence[float], figure: str) -> str:
    """Show the median, and of wall times the range as well."""
    if not values:
        return ""
    median = statistics.median(values) / (1e6 if figure.endswith("_bytes") else 1)
    shown = f"{median:,.0f}" if median >= 100 else f"{median:.3g}"
    if figure == "wall_s" and len(values) > 1:
        return f"{shown} ({min(values):.1f} to {max(values):.1f})"
    return shown


def _result_row(result: Result) -> tuple[str, ...]:
    value = f"{result.value:.0f}" if result.value >= 100 else f"{result.value:.3f}"
    target = "" if result.at_most is None else f"≤ {result.at_most:g}"
    stretch = "" if result.stretch is None else f"≤ {result.stretch:g}"
    return result.name, value, target, stretch, result.verdict


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [head, ["-" * max(width, 3) for width in widths], *rows]
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(max(width, 3)) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )


def _machine(programs: Sequence[Sequence[str]]) -> dict[str, object]:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": memory,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": os.getloadavg(),
        "programs": [_version(argv) for argv in programs],
    }


def _version(argv: Sequence[str]) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError:
        return f"{argv[0]}: not found"
    return (done.stdout or done.stderr).strip()


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
