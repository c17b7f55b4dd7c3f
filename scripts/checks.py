"""Which checks and tests are there, and in which order do they run?

    python -m scripts.checks [--fast] [WORDS for pytest]

stops at the first that fails and says at the end how long each took. ``./mooring test`` calls
it once everything is set up; ``--fast`` leaves out what needs a live server or a browser.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.console import SetupError, complain
from scripts.parts import Ended, Part, Watch, report, run_beside, run_shown
from scripts.processes import ROOT
from scripts.state_folder import prepare_folder

# The folders of what is unpacked beside the installed MariaDB, by the variable that names another.
MYSQL = ("MOORING_TEST_MYSQL", ROOT / "var" / "mysql")
MYSQL57 = ("MOORING_TEST_MYSQL57", ROOT / "var" / "mysql57")
NEWER = ("MOORING_TEST_MARIADB_NEWER", ROOT / "var" / "mariadb-11.8")
PLUGINS = ("MOORING_TEST_MARIADB_PLUGINS", ROOT / "var" / "mariadb-plugins")
CEPH = ("MOORING_TEST_CEPH", ROOT / "var" / "ceph")
AZURITE = ("MOORING_TEST_AZURITE", ROOT / "var" / "azurite")
MEDIA = ("MOORING_TEST_MEDIA_PROGRAMS", ROOT / "var" / "media-programs")
# What an installation runs; tests and measurements may do what it must not.
SHIPPED = ("backups", "alerts", "monitor", "scripts")
# For two cores: tests wait for disks, and those with servers more than they compute.
WORKERS, LIVE_WORKERS = 3, 4
# A run starts Python hundreds of times: what was compiled is kept, whatever the environment says.
COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}
# How pytest ends where it was left with no test.
NO_TESTS = 5


def static_checks(state: Path) -> list[Part]:
    """What needs no test to run, the quickest first. ``state`` is a state folder to look at."""
    # Django's own checks look at the settings an operator would have, behind TLS.
    deployed = {"MOORING_HOME": str(state), "MOORING_TLS": "yes"}
    manage = (sys.executable, "manage.py")
    return [
        Part("format", ("ruff", "format", "--check", ".")),
        Part("lint", ("ruff", "check", ".")),
        Part("security lint", ("bandit", "-q", "-r", *SHIPPED, "-c", "pyproject.toml")),
        Part("shell scripts", ("shellcheck", *shell_scripts())),
        Part("imports", ("lint-imports",)),
        Part("migrations", (*manage, "makemigrations", "--check", "--dry-run"), deployed),
        Part("settings", (*manage, "check", "--deploy", "--fail-level", "WARNING"), deployed),
        # Without its cache: one that is older than a moved module has it fail, or pass.
        Part("types", ("mypy", "--cache-dir=/dev/null")),
    ]


def shell_scripts() -> list[str]:
    return ["mooring", ".ci/run", *sorted(str(path) for path in (ROOT / "scripts").glob("*.sh"))]


def pytest(workers: int, *words: str) -> tuple[str, ...]:
    colour = ["--color=yes"] if sys.stdout.isatty() else []
    return (
        *("pytest", "-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder"),
        *colour,
        *words,
    )


def fast_tests(words: Sequence[str]) -> list[Part]:
    argv = pytest(WORKERS, "-m", "not live", "--ignore", "tests/browser", *words)
    return [Part("tests on SQLite, without live servers", argv, COMPILED)]


def all_tests(words: Sequence[str]) -> Iterator[Part]:
    """Every test, after the servers that they need."""
    # Beside MariaDB, which is installed, a MySQL is unpacked: the two cannot be installed
    # together. Another is too old to be cloned, to see it refused, and a MariaDB of a newer series
    # is what an upgrade is rehearsed to. MariaDB's plugins are in a package that would start a
    # service, and so are Ceph and Bacula. Azurite is npm's.
    unpacked = (MYSQL, MYSQL57, NEWER, PLUGINS, CEPH, AZURITE, MEDIA)
    servers = {name: os.environ.get(name) or str(folder) for name, folder in unpacked}
    mysql, mysql57, newer, plugins, ceph, azurite, media = servers.values()
    if not Path(mysql, "bin/mysqld").exists():
        yield Part("a MySQL to test with", ("bash", "scripts/mysql_server.sh", mysql))
    if not Path(mysql57, "server/mysqld").exists():
        yield Part("a MySQL to refuse", ("bash", "scripts/mysql57.sh", mysql57))
    if not Path(newer, "bin/mariadbd").exists():
        yield Part("a newer MariaDB", ("bash", "scripts/newer_mariadb.sh", newer))
    # Ours are replaced after an upgrade of the installed server.
    if plugins == str(PLUGINS[1]) or not Path(plugins, "ha_rocksdb.so").exists():
        yield Part("MariaDB's plugins", ("bash", "scripts/mariadb_plugins.sh", plugins))
    if not Path(ceph, "usr/bin/radosgw").exists():
        yield Part("an object store", ("bash", "scripts/ceph.sh", ceph))
    if not Path(azurite, "version").exists():
        yield Part("an emulator of Azure", ("bash", "scripts/azurite.sh", azurite))
    if not Path(media, "usr/lib/bacula/bpipe-fd.so").exists():
        yield Part("programs for media", ("bash", "scripts/media_programs.sh", media))
    servers |= COMPILED
    yield Part("tests on SQLite, with real servers", pytest(LIVE_WORKERS, *words), servers)
    postgres = (sys.executable, "-m", "scripts.private_postgres")
    # What never uses the database would do the same again, which may be all that WORDS name.
    argv = (*postgres, *pytest(WORKERS, "-m", "not live and database", *words))
    exit_codes = (0, NO_TESTS) if words else (0,)
    yield Part("tests on PostgreSQL", argv, servers, exit_codes)


def run(*, fast: bool, words: Sequence[str], ended: list[Ended]) -> bool:
    """Run everything and return whether all went well; ``ended`` grows part by part."""
    with tempfile.TemporaryDirectory(prefix="mooring-check-") as state, Watch() as watch:
        prepare_folder(Path(state))
        ended += run_beside(static_checks(Path(state)), watch)
        if ended[-1].failed:
            return False
        for part in fast_tests(words) if fast else all_tests(words):
            ended.append(run_shown(part, watch))
            if ended[-1].failed:
                return False
    return True


def end_on_signals() -> None:
    """A TERM or HUP ends everything in order; what ``nohup`` has us ignore stays ignored."""

    # What the arguments are is the interpreter's affair.
    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)


def main(arguments: Sequence[str]) -> int:
    end_on_signals()
    words = [word for word in arguments if word != "--fast"]
    ended: list[Ended] = []
    try:
        passed = run(fast="--fast" in arguments, words=words, ended=ended)
    except SetupError as exc:
        complain(str(exc), exc.hint)
        return 1
    except KeyboardInterrupt:
        return 130
    report(ended)
    if not passed:
        complain(f"this failed: {ended[-1].part.name}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
