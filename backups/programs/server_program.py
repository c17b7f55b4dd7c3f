"""Which program is started as a private server, and which options does it take?

The options of MariaDB and MySQL differ for the same settings, and each refuses the other's. A
MySQL unpacked in another place also gets the paths of its parts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backups.exceptions import Refused
from backups.programs.compatibility import MARIADB, MYSQL, Version, decide_flavour, parse_version
from backups.runners.environment import tool_environment

# Debian keeps servers where only root's PATH looks.
PROGRAM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
# Small enough for a laptop; callers that need more pass it in ``options``.
MODEST = {
    "innodb-buffer-pool-size": "64M",
    "innodb-buffer-pool-load-at-startup": "OFF",
    "innodb-buffer-pool-dump-at-shutdown": "OFF",
    "key-buffer-size": "8M",
    "performance-schema": "OFF",
    "max-connections": "50",
}
ARIA = {"aria-pagecache-buffer-size": "8M"}
_MARIADB = {**MODEST, **ARIA, "skip-slave-start": ""}
_PLACES = ("basedir", "lc-messages-dir", "character-sets-dir", "plugin-dir")
# Where an unpacked MySQL may have its plugins.
_PLUGIN_FOLDERS = ("lib/plugin", "lib/mysql/plugin", "plugin")
_ANSWER_SECONDS = 30


@dataclass(frozen=True, slots=True)
class ServerProgram:
    """A server program of this host."""

    path: str
    flavour: str
    # The options it always gets; one with an empty value is a flag.
    options: Mapping[str, str] = field(default_factory=dict)
    # The file of master keys that it needs; None if nothing is encrypted.
    keyring: Path | None = None


def mariadb_program() -> ServerProgram:
    """Return this host's MariaDB; Refused where there is none."""
    return ServerProgram(program("mariadbd"), MARIADB, {**_MARIADB})


def mariadb_program_at(path: str) -> ServerProgram:
    """Return a MariaDB server that was found at ``path``, which may be of another series."""
    return ServerProgram(path, MARIADB, {**_MARIADB, **_parts(Path(path))})


def mysql_program(path: str, version: Version) -> ServerProgram:
    """Return a MySQL server that was found at ``path``."""
    options = {**MODEST, replication_off(MYSQL, version): "", "mysqlx": "OFF"}
    # A file of a copy may set anything: what the donor persisted is not read.
    options |= {"secure-file-priv": "NULL", "persisted-globals-load": "OFF"}
    return ServerProgram(path, MYSQL, options | _parts(Path(path)))


def replication_off(flavour: str, version: Version | None) -> str:
    """Return the option that keeps a server from resuming replication when it starts."""
    # The option of releases before 8.0.26 was removed in 8.4.
    renamed = flavour == MYSQL and (version is None or version >= (8, 0, 26))
    return "skip-replica-start" if renamed else "skip-slave-start"


def find_mysqld(chosen: str = "") -> tuple[str, Version]:
    """Return path and version of the MySQL to use: the chosen one, else one on the PATH."""
    path = chosen or shutil.which("mysqld", path=search_path()) or ""
    hint = "Give one with --mysqld PATH, or set MOORING_MYSQLD."
    if not path:
        raise Refused("no mysqld on this host to start a MySQL backup with", hint=hint)
    try:
        done = subprocess.run(
            [path, "--no-defaults", "--version"],
            env=tool_environment(),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_ANSWER_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        why = getattr(exc, "strerror", None) or "it did not answer"
        raise Refused(f"{path} cannot be run: {why}", hint=hint) from None
    output = done.stdout + done.stderr
    version = parse_version(output)
    if done.returncode or version is None:
        raise Refused(f"{path} does not report its version: {output.strip()[:200]}", hint=hint)
    if decide_flavour(output, "") != MYSQL:
        raise Refused(f"{path} is not MySQL but {output.strip()[:120]}", hint=hint)
    return path, version


def ask_settings(path: str) -> str:
    """Return the default settings a server reports, one per line; Refused if it cannot be run."""
    argv = [path, "--no-defaults", "--verbose", "--help"]
    if os.geteuid() == 0:
        argv.append("--user=root")
    try:
        done = subprocess.run(
            argv,
            env=tool_environment(),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_ANSWER_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise Refused(f"settings of {path} unknown: {exc}") from None
    return done.stdout


def program_folders(server: ServerProgram) -> tuple[Path, ...]:
    """Return the folders outside /usr that a server needs to run, as named and as resolved."""
    named = [Path(server.path).parent.parent, Path(server.path).resolve().parent.parent]
    named += [Path(value) for name, value in server.options.items() if name in _PLACES]
    outside = {path for path in named if not path.is_relative_to("/usr") and path != Path("/")}
    return tuple(sorted(outside))


def program(name: str) -> str:
    """Return the path of a MariaDB program; Refused where it is missing: no copy is at fault."""
    if (path := shutil.which(name, path=search_path())) is None:
        raise Refused(
            f"{name} is not installed on this host",
            hint="Install MariaDB's server programs (on Debian: mariadb-server-core).",
        )
    return path


def search_path() -> str:
    return os.pathsep.join((os.environ.get("PATH", os.defpath), *PROGRAM_FOLDERS))


def _parts(path: Path) -> dict[str, str]:
    """Return the folders of a server that was unpacked in another place than it was built for."""
    home = path.resolve().parent.parent
    if not (home / "share" / "charsets").is_dir():
        return {}
    plugins = [home / name for name in _PLUGIN_FOLDERS if (home / name).is_dir()]
    return {
        "basedir": str(home),
        "lc-messages-dir": str(home / "share"),
        "character-sets-dir": str(home / "share" / "charsets"),
        **({"plugin-dir": str(plugins[0])} if plugins else {}),
    }
