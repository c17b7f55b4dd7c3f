"""Which release of a program is installed on a host? Asked through a runner."""

from __future__ import annotations

from dataclasses import dataclass

from backups.exceptions import RunnerError
from backups.programs.compatibility import Version, parse_version
from backups.runners.base import Runner


@dataclass(frozen=True, slots=True)
class Installed:
    """A program's release, or why it is not known and what to do about that."""

    version: Version | None
    problem: str = ""
    hint: str = ""


def installed(runner: Runner, program: str) -> Installed:
    """Ask a program of MariaDB's for its release."""
    try:
        done = runner.run([program, "--version"])
    except RunnerError as exc:
        return Installed(None, str(exc), exc.hint)
    # The version goes to standard error in some series, to standard output in others.
    said = f"{done.stdout}\n{done.stderr}".strip()
    if done.exit_code == 127:
        return Installed(None, f"{program} is not installed on this host", f"Install {program}.")
    if done.exit_code or (version := parse_version(said)) is None:
        last = said.splitlines()[-1][:300] if said else ""
        return Installed(None, f"{program} --version ended with {done.exit_code}: {last}")
    return Installed(version)
