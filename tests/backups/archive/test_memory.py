"""Memory that is freed stays with the process."""

from __future__ import annotations

import subprocess
import sys

# Another process: the setting is for a whole process and cannot be taken back.
FAULTS = """
import resource, sys
from backups.archive.memory import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
def use() -> None:
    held = [bytearray(4 << 20) for _ in range(8)]

use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_freed_memory_is_used_again_without_new_pages() -> None:
    assert faults("kept") * 5 < faults("given back")
