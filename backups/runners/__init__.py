"""How a command reaches the host of an instance."""

from __future__ import annotations

from backups.runners.base import Completed, Runner, RunningCommand
from backups.runners.local import LocalRunner
from backups.runners.ssh import SshRunner, SshTarget

# What an instance's ``runner`` may say.
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
