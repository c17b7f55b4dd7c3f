"""A MariaDB of a newer series than the installed one, for rehearsals of an upgrade to it."""

from __future__ import annotations

import os
import subprocess
from functools import lru_cache
from pathlib import Path

from backups.programs.compatibility import Version, parse_version
from backups.programs.server_program import program

ROOT = Path(__file__).resolve().parents[2]
# Of scripts/newer_mariadb.sh.
SERIES = (11, 8)


class NewerMariadbMissing(RuntimeError):
    """No MariaDB of a newer series to test with."""


def newer_mariadbd() -> Path:
    """Return the server program."""
    default = ROOT / "var" / "mariadb-11.8"
    folder = Path(os.environ.get("MOORING_TEST_MARIADB_NEWER") or default)
    found = folder / "bin" / "mariadbd"
    if not found.exists():
        raise NewerMariadbMissing(f"none in {folder}: run scripts/newer_mariadb.sh {folder}")
    return found


def version_of(server: str | Path) -> Version:
    """Return the release that a server program reports."""
    argv = [str(server), "--no-defaults", "--version"]
    output = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    version = parse_version(output)
    assert version is not None, output
    return version


@lru_cache(maxsize=1)
def installed_is_older() -> bool:
    """Whether the installed MariaDB can be upgraded to it: that of Debian 13 is of its series."""
    return version_of(program("mariadbd")).series < SERIES


def rehearsal_words(folder: Path) -> list[str]:
    """Return the words of a rehearsal that has every stage, with its own checks in ``folder``."""
    checks = folder / "checks.sql"
    checks.write_text("SELECT 1;\n")
    return ["--mysqld", str(newer_mariadbd()), "--sql", str(checks)]
