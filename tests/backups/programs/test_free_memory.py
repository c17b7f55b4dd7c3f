"""How much memory is free, by what the kernel shows?"""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.programs.free_memory import free_memory

MIB = 1024 * 1024


class Kernel:
    """Its two folders."""

    def __init__(self, folder: Path) -> None:
        self.proc, self.cgroups = folder / "proc", folder / "cgroup"
        self.put(self.proc / "meminfo", f"MemTotal: 9 kB\nMemAvailable: {8 * 1024 * 1024} kB\n")

    def put(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def group(self, path: str, limit: object, used: int, cache: int = 0) -> None:
        folder = self.cgroups / path
        self.put(folder / "memory.max", f"{limit}\n")
        self.put(folder / "memory.current", f"{used}\n")
        self.put(folder / "memory.stat", f"anon 1\ninactive_file {cache}\n")

    def free(self) -> int | None:
        return free_memory(self.proc, self.cgroups)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_without_cgroups_it_is_what_the_host_has(kernel: Kernel) -> None:
    assert kernel.free() == 8 * 1024 * MIB


def test_the_tightest_cgroup_around_counts(kernel: Kernel) -> None:
    kernel.put(kernel.proc / "self" / "cgroup", "0::/system/mooring\n")
    kernel.group("system", 3000 * MIB, 2500 * MIB, cache=100 * MIB)
    kernel.group("system/mooring", "max", 7)
    assert kernel.free() == 600 * MIB


def test_a_cgroup_that_is_full_leaves_nothing(kernel: Kernel) -> None:
    kernel.put(kernel.proc / "self" / "cgroup", "0::/\n")
    kernel.group("", 3000 * MIB, 3100 * MIB)
    assert kernel.free() == 0


def test_in_a_container_the_path_is_that_outside_of_it(kernel: Kernel) -> None:
    kernel.put(kernel.proc / "self" / "cgroup", "0::/docker/4711\n")
    kernel.group("", 300 * MIB, 100 * MIB)
    assert kernel.free() == 200 * MIB


def test_cgroups_of_version_1(kernel: Kernel) -> None:
    kernel.put(kernel.proc / "self" / "cgroup", "9:cpu:/a\n4:memory:/a\n0::/\n")
    folder = kernel.cgroups / "memory" / "a"
    kernel.put(folder / "memory.limit_in_bytes", f"{500 * MIB}\n")
    kernel.put(folder / "memory.usage_in_bytes", f"{200 * MIB}\n")
    kernel.put(folder / "memory.stat", f"total_inactive_file {50 * MIB}\n")
    assert kernel.free() == 350 * MIB


def test_nothing_that_can_be_read_is_unknown(tmp_path: Path) -> None:
    assert free_memory(tmp_path / "proc", tmp_path / "cgroup") is None


def test_a_path_that_leads_out_is_not_followed(kernel: Kernel) -> None:
    kernel.put(kernel.proc / "self" / "cgroup", "0::/../elsewhere\n")
    kernel.put(kernel.cgroups.parent / "elsewhere" / "memory.max", "7\n")
    kernel.put(kernel.cgroups.parent / "elsewhere" / "memory.current", "0\n")
    assert kernel.free() == 8 * 1024 * MIB


def test_of_this_host_it_is_known() -> None:
    free = free_memory()
    assert free is not None
    assert free > MIB
