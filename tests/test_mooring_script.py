"""The bash script: what it says, what it refuses, and that it puts everything back."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOBODY = 65534
# The real functions with the machine's own folders replaced by the test's. Their text is given
# to bash, because a user without rights may be unable to read this folder.
PACKAGES = """
set -euo pipefail
PYTHON=true
{console}
{functions}
say() {{ echo "$1"; }}
fail() {{ echo "error: $1"; echo "HINT: ${{2:-}}"; exit 1; }}
POLICY="{folder}/policy-rc.d"
CLUSTERS="{folder}/etc/postgresql-common/createcluster.d/mooring.conf"
service_known() {{ false; }}
{script}
"""


def mooring(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["./mooring", *words],
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def packages(
    script: str, folder: Path, *, unprivileged: bool = False
) -> subprocess.CompletedProcess[str]:
    console, functions = (
        (ROOT / "scripts" / name).read_text() for name in ("console.sh", "system_packages.sh")
    )
    text = PACKAGES.format(console=console, functions=functions, folder=folder, script=script)
    argv = ["bash", "-c", text]
    if unprivileged and os.geteuid() == 0:
        argv = ["setpriv", "--reuid", str(NOBODY), "--clear-groups", "--", *argv]
    return subprocess.run(
        argv, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def test_help_names_every_command() -> None:
    shown = mooring("help")
    assert shown.returncode == 0
    for word in (
        "demo [--once]",
        "up",
        "manage WORDS",
        "test [--fast]",
        "MOORING_HOME",
        "REDIS_URL",
    ):
        assert word in shown.stdout


def test_an_unknown_command_is_an_error() -> None:
    refused = mooring("sail")
    assert refused.returncode == 1
    assert "there is no command sail" in refused.stderr


def test_a_missing_python_is_named() -> None:
    refused = mooring("manage", "check", MOORING_PYTHON="/no/such/python")
    assert refused.returncode == 1
    assert "/no/such/python is not installed" in refused.stderr


def test_an_old_python_is_named(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2 && exit\nexit 1\n')
    old.chmod(0o755)
    refused = mooring("up", MOORING_PYTHON=str(old))
    assert refused.returncode == 1
    assert "Python 3.9.2 is too old: Mooring needs Python 3.11 or newer" in refused.stderr


def test_nothing_is_installed_where_nothing_is_missing(tmp_path: Path) -> None:
    script = "has_program() { true; }; install_packages() { echo installed; }; ensure_packages test"
    done = packages(script, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("missing", "needed_for", "expected"),
    [
        ("redis-server", "run", "redis-server"),
        ("mariadbd", "run", "mariadb-server-core"),
        ("mbstream", "run", "mariadb-backup"),
        ("bwrap", "run", "bubblewrap"),
        ("initdb", "run", ""),
        ("initdb", "test", "postgresql"),
        ("sshd", "test", "openssh-server"),
        ("sysbench", "test", "sysbench"),
        ("zstd", "test", "zstd"),
    ],
)
def test_a_missing_program_asks_for_its_package(
    missing: str, needed_for: str, expected: str, tmp_path: Path
) -> None:
    script = f"has_program() {{ [[ $1 != {missing} ]]; }}; missing_packages {needed_for}"
    assert packages(script, tmp_path).stdout.strip() == expected


def test_without_root_the_command_to_run_is_shown(tmp_path: Path) -> None:
    script = """
    has_program() { [[ $1 != redis-server && $1 != mariadbd ]]; }
    sudo() { return 1; }
    ensure_packages run
    """
    refused = packages(script, tmp_path, unprivileged=True)
    assert refused.returncode == 1
    assert "apt-get install --no-install-recommends mariadb-server-core redis-server" in (
        refused.stdout
    )


def test_the_user_programs_run_as_is_made_once_and_by_root_only(tmp_path: Path) -> None:
    script = """
    RUN_USER=no-such-user-here
    useradd() { echo "useradd $*"; }
    ensure_run_user
    """
    made = "" if os.geteuid() else "useradd --system --no-create-home"
    assert made in packages(script, tmp_path).stdout
    assert "useradd" not in packages(script, tmp_path, unprivileged=True).stdout
    known = packages(script.replace("no-such-user-here", "root"), tmp_path)
    assert "useradd" not in known.stdout


def policy(folder: Path) -> Path:
    path = folder / "policy-rc.d"
    path.write_text("#!/bin/sh\n# the administrator's own\nexit 0\n")
    path.chmod(0o750)
    return path


GUARDED = 'apt-get() { cat "$POLICY" "$CLUSTERS"; exec >/dev/null; %s; }; install_packages redis'


@pytest.mark.parametrize(
    ("ending", "exit_code"),
    [("true", 0), ("false", 1), ("kill -INT $BASHPID", 130), ("kill -TERM $BASHPID", 130)],
)
def test_what_was_there_is_put_back_however_it_ends(
    ending: str, exit_code: int, tmp_path: Path
) -> None:
    before = policy(tmp_path)
    text = before.read_text()
    done = packages(GUARDED % ending, tmp_path)
    assert done.returncode == exit_code
    assert before.read_text() == text
    assert stat.S_IMODE(before.stat().st_mode) == 0o750
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["policy-rc.d"]


def test_where_nothing_was_there_nothing_is_left(tmp_path: Path) -> None:
    assert packages(GUARDED % "true", tmp_path).returncode == 0
    assert not (tmp_path / "policy-rc.d").exists()
    assert not (tmp_path / "etc" / "postgresql-common").exists()


def test_while_it_installs_no_service_starts_and_no_cluster_is_made(tmp_path: Path) -> None:
    seen = f'apt-get() {{ cat "$POLICY" "$CLUSTERS" >{tmp_path}/seen; }}; install_packages redis'
    assert packages(seen, tmp_path).returncode == 0
    assert (tmp_path / "seen").read_text().split("\n")[2:] == [
        "exit 101",
        "create_main_cluster = false",
        "",
    ]


def test_the_guard_of_a_killed_run_is_not_kept(tmp_path: Path) -> None:
    left = packages("put_up_guards; kill -KILL $$", tmp_path)
    assert left.returncode != 0
    assert (tmp_path / "policy-rc.d").exists()
    assert packages(GUARDED % "true", tmp_path).returncode == 0
    assert list(tmp_path.glob("policy-rc.d*")) == []


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("E: Could not get lock /var/lib/dpkg/lock-frontend", "another program is installing"),
        ("E: Unable to fetch some archives", "the lists of packages cannot be fetched"),
    ],
)
def test_each_failure_of_apt_has_its_own_words(said: str, cause: str, tmp_path: Path) -> None:
    script = f'apt-get() {{ echo "{said}"; return 100; }}; install_packages redis'
    refused = packages(script, tmp_path)
    assert refused.returncode == 1
    assert cause in refused.stdout
