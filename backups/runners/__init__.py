"""How is a command run on the host of an instance? One module per kind of runner."""

from __future__ import annotations

from backups.runners.base import Completed, Runner, RunningCommand
from backups.runners.local import LocalRunner
from backups.runners.ssh import SshRunner, SshTarget

# The values of an instance's ``runner``.
RUNNERS: dict[str, type[LocalRunner] | type[SshRunner]] = {
    LocalRunner.kind: LocalRunner,
    SshRunner.kind: SshRunner,
}

__all__ = [
    "RUNNERS",
    "Completed",
    "LocalRunner",
    "Runner",
    "RunningCommand",
    "SshRunner",
    "SshTarget",
]
