"""Where can quiet tables be read directly?"""

from __future__ import annotations

import pytest

from backups.checks import Verdict
from backups.preflight.optimistic_check import decide_optimistic
from backups.repositories.mounts import Mount

DATA = "/var/lib/mysql"


@pytest.mark.parametrize(
    ("runner", "kind", "verdict", "found"),
    [
        ("local", "ext4", Verdict.OK, f"quiet tables are read from {DATA}"),
        ("local", None, Verdict.OK, "quiet tables are read"),
        ("local", "nfs4", Verdict.FAILED, "may be outdated"),
        ("local", "fuse.sshfs", Verdict.FAILED, "may be outdated"),
        ("ssh", "ext4", Verdict.FAILED, "commands run by ssh"),
    ],
)
def test_on_this_host_and_on_a_disk_of_its_own(
    runner: str, kind: str | None, verdict: Verdict, found: str
) -> None:
    mount = None if kind is None else Mount(DATA, kind, "nas:/export", 1)
    check = decide_optimistic(runner, DATA, mount)
    assert check.verdict is verdict
    assert found in check.found
    assert bool(check.hint) is (verdict is Verdict.FAILED)
