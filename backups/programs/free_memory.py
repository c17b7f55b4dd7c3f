"""How much memory of this host is free for a program of ours? Measured; None is unknown.

The kernel's own figure for the host, and what is left below the limits of the cgroups that this
process is in: page cache that can be dropped counts as free in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
_AVAILABLE = "MemAvailable:"
# Limit, use, and the cache that can be dropped, by the version of cgroups.
_NAMES = {
    2: ("memory.max", "memory.current", "inactive_file"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def free_memory(proc: Path = PROC, cgroups: Path = CGROUPS) -> int | None:
    """Return the bytes that are free within all limits."""
    known = [left for left in (_of_host(proc), *_of_cgroups(proc, cgroups)) if left is not None]
    return max(0, min(known)) if known else None


def _of_host(proc: Path) -> int | None:
    for line in _lines(proc / "meminfo"):
        if line.startswith(_AVAILABLE):
            number = _number(line.removeprefix(_AVAILABLE).split()[0])
            return None if number is None else number * 1024
    return None


def _of_cgroups(proc: Path, cgroups: Path) -> Iterator[int | None]:
    for version, folder in _folders(proc, cgroups):
        limit, use, cache = _NAMES[version]
        most, used = _read(folder / limit), _read(folder / use)
        if most is None or used is None:
            continue
        droppable = dict(line.split(maxsplit=1) for line in _lines(folder / "memory.stat") if line)
        yield most - used + (_number(droppable.get(cache, "0")) or 0)


def _folders(proc: Path, cgroups: Path) -> Iterator[tuple[int, Path]]:
    """Yield the cgroup of this process and those around it, as far as they can be seen."""
    for line in _lines(proc / "self" / "cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            version, root = 2, cgroups
        elif "memory" in controllers.split(","):
            version, root = 1, cgroups / "memory"
        else:
            continue
        # In a container the path may be that outside of it: then only the root is there.
        folder = root / path.strip("/")
        for each in (folder, *folder.parents):
            if each.is_relative_to(root):
                yield version, each


def _read(path: Path) -> int | None:
    """Return a number; None where there is none, or no limit ("max")."""
    return _number(next(iter(_lines(path)), ""))


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdecimal() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
