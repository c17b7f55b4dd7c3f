"""Which release of a program is installed on a host? Queried through a runner."""

from __future__ import annotations

from dataclasses import dataclass

from backups.exceptions import RunnerError
from backups.programs.compatibility import Version, parse_version
from backups.runners.base import Runner


@dataclass(frozen=True, slots=True)
class Installed:
    """A program's release, or the problem and a hint if it is unknown."""

    version: Version | None
    problem: str = ""
    hint: str = ""


def installed(runner: Runner, program: str) -> Installed:
    """Query the release of a MariaDB program."""
    try:
        done = runner.run([program, "--version"])
    except RunnerError as exc:
        return Installed(None, str(exc), exc.hint)
    # The version goes to standard error in some series, to standard output in others.
    output = f"{done.stdout}\n{done.stderr}".strip()
    if done.exit_code == 127:
        return Installed(None, f"{program} is not installed on this host", f"Install {program}.")
    if done.exit_code or (version := parse_version(output)) is None:
        last = output.splitlines()[-1][:300] if output else ""
        return Installed(None, f"{program} --version ended with {done.exit_code}: {last}")
    return Installed(version)
