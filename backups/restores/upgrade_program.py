"""Which server program is an upgrade rehearsed with, and may this host run it?

An admin of the host names it on the command line. It and what is run beside it must be files that
nobody but root or the worker's user can change or replace. Its version is asked as the user that
also runs it on the backup, behind the same walls.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from backups.checks import Verdict
from backups.engines.base import CopyFacts
from backups.exceptions import BadInput, Refused, RunnerError
from backups.hooks.trusted_file import check_program
from backups.programs.ancestors import check_ancestors
from backups.programs.compatibility import (
    CLONE,
    MARIADB,
    MYSQL,
    Version,
    decide_flavour,
    parse_version,
)
from backups.programs.server_program import (
    ServerProgram,
    mariadb_program_at,
    mysql_program,
    program_folders,
)
from backups.programs.upgrade_path import can_upgrade, server_name
from backups.restores.run_user import find_run_user
from backups.runners.local import LocalRunner
from backups.runners.sandbox import Sandbox

UPGRADER = "mariadb-upgrade"
# What it runs, from its own folder.
_WITH_UPGRADER = ("mariadb", "mariadb-check")
_TRUSTED_HINT = (
    "Have the program and the folders above it belong to root or the worker's user, writable by "
    "nobody else."
)
_HINT = "Give the server program of the newer series: --mysqld /opt/mariadb-11.8/bin/mariadbd."


@dataclass(frozen=True, slots=True)
class UpgradeProgram:
    """A server program to upgrade to."""

    server: ServerProgram
    version: Version
    # What upgrades the system tables; None: the server itself does.
    upgrader: Path | None = None

    @property
    def name(self) -> str:
        """How its release is called: ``MariaDB 11.8.3``."""
        return server_name(self.server.flavour, self.version)


def find_upgrade_program(path: str, scratch: Path) -> UpgradeProgram:
    """Return the program at ``path``, or raise Refused; ``scratch`` is where its data will be."""
    if not path.startswith("/"):
        raise BadInput(f"{path} is not an absolute path", hint=_HINT)
    program = trusted_program(Path(path))
    output = _ask_version(program, scratch)
    version, flavour = parse_version(output), decide_flavour(output, "")
    if version is None or not flavour:
        raise Refused(f"{program} does not report its version: {output[:200]}", hint=_HINT)
    if flavour == MYSQL:
        return UpgradeProgram(mysql_program(str(program), version), version)
    return UpgradeProgram(mariadb_program_at(str(program)), version, _find_upgrader(program))


def check_upgrade(backup: CopyFacts, engine: str, program: UpgradeProgram) -> str:
    """Return from what to what it goes, or raise Refused where that is no upgrade."""
    origin = parse_version(backup.server_version)
    if origin is None:
        raise Refused(f"the backup has no valid server version: {backup.server_version!r}")
    flavour = MYSQL if engine == CLONE else MARIADB
    ruling = can_upgrade(flavour, origin, program.server.flavour, program.version)
    if ruling.verdict is Verdict.FAILED:
        raise Refused(f"{program.server.path}: {ruling.reason}", hint=ruling.hint)
    needed = getattr(backup.details, "plugins", None) or backup.details.keyring_file
    if needed:
        raise Refused(
            f"the backup needs {needed}: a rehearsal loads no plugins and no keys into the server "
            "of the newer series",
            hint="Restore it, and upgrade the restored server by hand.",
        )
    return ruling.reason


def trusted_program(named: Path) -> Path:
    """Return where a program really is; Refused unless only administrators can change it."""
    try:
        program = named.resolve(strict=True)
    except OSError as exc:
        raise Refused(f"{named} cannot be run: {exc.strerror}", hint=_HINT) from None
    try:
        check_program(program)
        # The link as well as what it leads to.
        for place in {named, program}:
            check_ancestors(place)
    except (BadInput, Refused) as exc:
        raise Refused(f"{named} is not run: {exc}", hint=_TRUSTED_HINT) from None
    return program


def _ask_version(program: Path, scratch: Path) -> str:
    # Before the scratch folder is made: whose its files will be.
    owner, _ = find_run_user(settings.RUN_USER, scratch)
    readable = program_folders(ServerProgram(str(program), ""))
    runner = LocalRunner(Sandbox((), readable, owner))
    try:
        done = runner.run([str(program), "--no-defaults", "--version"])
    except RunnerError as exc:
        raise Refused(f"{program} cannot be run: {exc}", hint=_HINT) from None
    output = (done.stdout + done.stderr).strip()
    if done.exit_code:
        raise Refused(f"{program} does not report its version: {output[:200]}", hint=_HINT)
    return output


def _find_upgrader(program: Path) -> Path:
    """Return the program that upgrades MariaDB's system tables, beside the server's own."""
    for folder in (program.parent, program.parent.parent / "bin"):
        if (folder / UPGRADER).exists():
            for name in _WITH_UPGRADER:
                trusted_program(folder / name)
            return trusted_program(folder / UPGRADER)
    raise Refused(
        f"there is no {UPGRADER} beside {program}",
        hint="Unpack the clients of that release as well, into the server's folder or its bin.",
    )
