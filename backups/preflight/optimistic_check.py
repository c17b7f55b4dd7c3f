"""Can quiet tables be read directly, as an optimistic backup does?"""

from __future__ import annotations

from backups.checks import Check, Verdict
from backups.instances.facts import ServerFacts
from backups.repositories.mounts import Mount, resolve
from backups.runners.base import Runner
from backups.runners.local import LocalRunner

NAME = "optimistic"
_WITHOUT = "Take the backup without --optimistic"


def check_optimistic(runner: Runner, facts: ServerFacts) -> Check:
    """Check that the data folder is on this host, and on a file system of its own kernel."""
    return decide_optimistic(runner.kind, facts.datadir, resolve(facts.datadir).mount)


def decide_optimistic(runner: str, data_folder: str, mount: Mount | None) -> Check:
    if runner != LocalRunner.kind:
        return Check(
            NAME,
            Verdict.FAILED,
            f"the worker does not read the data folder itself: commands run by {runner}",
            f"{_WITHOUT}, or run a worker on the instance's host.",
        )
    if mount is not None and mount.is_remote:
        return Check(
            NAME,
            Verdict.FAILED,
            f"{data_folder} is on {mount.shown}: the times of files there may be outdated, and "
            "they are what shows that a table is quiet",
            f"{_WITHOUT}.",
        )
    return Check(NAME, Verdict.OK, f"quiet tables are read from {data_folder}")
