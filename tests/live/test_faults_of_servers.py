"""What is wrong with the server, its engine or its account: reported, and nothing is left of it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest
from pytest_django import Settings

from backups.models import Instance
from backups.programs.private_server import PrivateServer, ServerOptions
from tests.live.faults import (
    FAILED,
    PASSWORD,
    REFUSED,
    SHOP,
    USER,
    Doubles,
    Ending,
    Place,
    add_instance,
    assert_ending,
    assert_no_traceback,
    assert_nothing_left,
)
from tests.live.midway import Midway
from tests.live.server import LiveServer, free_port, new_mariadb

pytestmark = pytest.mark.live

SLOW_BYTES_PER_S = 4 << 20


def set_password(place: Place) -> None:
    instance = Instance.objects.get()
    instance.set_password("Tr0ub4dor&3")
    instance.save()


def move_port(place: Place) -> None:
    Instance.objects.update(port=free_port())


def revoke(place: Place) -> None:
    place.server.execute(f"REVOKE PROCESS ON *.* FROM {USER}@'127.0.0.1'")


@pytest.mark.parametrize(
    ("broken", "ending"),
    [
        (set_password, Ending(FAILED, r"^connect failed: .*access denied for user", "CREATE USER")),
        (move_port, Ending(FAILED, r"^connect failed: cannot connect to 127.0.0.1:\d+", "server")),
        (revoke, Ending(REFUSED, r"^preflight refused: privileges: missing PROCESS", "GRANT PROC")),
    ],
    ids=["wrong password", "server down", "missing privilege"],
)
def test_a_server_that_does_not_let_us(place: Place, broken: object, ending: Ending) -> None:
    assert callable(broken)
    broken(place)
    assert_ending(place.take(), ending)
    assert_nothing_left(place)
    add_instance(place.server, name="again")
    assert place.run("takebackup", "again").exit_code == 0


def test_an_engine_that_is_not_installed(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Everything the host has, but for the one program.
    there = tmp_path / "bin"
    there.mkdir()
    for folder in ("/usr/sbin", "/usr/bin", "/bin"):
        for program in Path(folder).iterdir():
            link = there / program.name
            if program.name not in {"mariadb-backup", "mariabackup"} and not link.exists():
                link.symlink_to(program)
    monkeypatch.setenv("PATH", str(there))
    ending = Ending(
        REFUSED, "tool: mariadb-backup is not installed on this host", "Install mariadb-ba"
    )
    assert_ending(place.take(), ending)
    monkeypatch.undo()
    assert_nothing_left(place)
    place.label()


def test_an_engine_that_is_killed(place: Place, settings: Settings) -> None:
    settings.THROTTLE_BYTES_PER_S = SLOW_BYTES_PER_S

    def kill() -> None:
        for process in psutil.Process().children(recursive=True):
            if process.name() == "mariadb-backup":
                process.kill()

    with Midway(kill):
        ended = place.take()
    assert_ending(
        ended, Ending(FAILED, "^copy failed: mariadb-backup was killed by SIGKILL", "job's log")
    )
    assert_nothing_left(place)
    settings.THROTTLE_BYTES_PER_S = 0
    place.label()


@pytest.mark.parametrize(
    ("version", "ending"),
    [
        ("10.5.9-MariaDB", Ending(REFUSED, r"version: MariaDB 10\.5\.9 is too old", "Upgrade")),
        (
            "10.9.3-MariaDB",
            Ending(REFUSED, r"tool: mariadb-backup is 1\d\.\d", "Install mariadb-ba"),
        ),
        ("8.0.11-TiDB-v7", Ending(REFUSED, "neither MariaDB nor MySQL", "not at a proxy")),
    ],
    ids=["too old", "another series than the tool", "something else"],
)
def test_a_version_that_is_not_supported(
    place: Place, tmp_path: Path, version: str, ending: Ending
) -> None:
    with another_server(tmp_path / "data", {"version": version}) as server:
        add_instance(server, "--engine", "mariadb_backup", "--no-check", name="other")
        assert_ending(place.run("takebackup", "other"), ending)
    assert_nothing_left(place)


def test_a_server_that_is_killed_on_the_way_and_comes_back(
    place: Place, tmp_path: Path, settings: Settings
) -> None:
    settings.THROTTLE_BYTES_PER_S = SLOW_BYTES_PER_S
    with another_server(tmp_path / "data") as server:
        add_instance(server, name="doomed")

        def kill() -> None:
            assert server.server.pid is not None
            os.kill(server.server.pid, signal.SIGKILL)

        with Midway(kill):
            ended = place.run("takebackup", "doomed")
        assert_ending(ended, Ending(FAILED, "^copy failed: mariadb-backup exited with 1", "server"))
        assert_nothing_left(place)
        settings.THROTTLE_BYTES_PER_S = 0
        server.server.start()
        assert place.run("takebackup", "doomed").exit_code == 0


def another_server(folder: Path, options: dict[str, str] | None = None) -> _Another:
    return _Another(folder, options or {})


class _Another:
    """A server of a test's own."""

    def __init__(self, folder: Path, options: dict[str, str]) -> None:
        new_mariadb(folder)
        self._port = free_port()
        small = {"innodb-log-file-size": "8M"}
        settings = ServerOptions(port=self._port, server_id=1, options=small | options)
        self._server = PrivateServer(folder, settings, run_folder=folder.with_name("run"))

    def __enter__(self) -> LiveServer:
        self._server.start()
        server = LiveServer(self._server, "127.0.0.1", self._port)
        server.execute(*SHOP)
        return server

    def __exit__(self, *_: object) -> None:
        self._server.stop()


# Each part of the pipe of a backup, one at a time: the tool's exit code, the end of its stream,
# what it says last, its log; ssh. $@ are the words the real one would get.
COMPLETE = '"$real" "$@"'
PARTS = {
    "exit code after a complete stream": (
        "mariadb-backup",
        f"{COMPLETE}; exit 3",
        Ending(FAILED, "^copy failed: mariadb-backup exited with 3", "job's log"),
    ),
    "no end marker": (
        "mariadb-backup",
        f"{COMPLETE} 2> >(grep -v 'completed OK' >&2)",
        Ending(FAILED, "^copy failed: mariadb-backup did not report completion", "do not use"),
    ),
    "stream cut": (
        "mariadb-backup",
        f"{COMPLETE} | head -c 3000000; exit 0",
        Ending(FAILED, "^copy failed: .*stream", "job's log"),
    ),
    "stream cut at its very end": (
        "mariadb-backup",
        f"{COMPLETE} | head -c -1; exit 0",
        Ending(FAILED, "^copy failed: .*stream", "job's log"),
    ),
    "stream is empty": (
        "mariadb-backup",
        "echo '[00] 2026-11-22 16:47:12 completed OK!' >&2",
        Ending(FAILED, "^copy failed: ", "job's log"),
    ),
    "rubbish in the stream": (
        "mariadb-backup",
        f"{COMPLETE} | tr 'X' 'Y'; exit 0",
        Ending(FAILED, "^copy failed: .*stream", "job's log"),
    ),
    "killed at the end of its stream": (
        "mariadb-backup",
        f"{COMPLETE}; kill -9 $$",
        Ending(FAILED, "^copy failed: mariadb-backup was killed by SIGKILL", "job's log"),
    ),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_pipe_that_fails(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    name, script, ending = PARTS[part]
    # It must report its version: preflight is not what is tested here.
    script = f'case "$*" in *--version*) exec "$real" "$@";; esac\n{script}'
    with monkeypatch.context() as patch:
        Doubles(tmp_path / "doubles", patch).write(name, script)
        assert_ending(place.take(), ending)
    assert_nothing_left(place)
    place.label()


def test_what_a_double_only_passes_on_is_a_backup(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failures above are those of the parts, and not of the doubles."""
    Doubles(tmp_path / "doubles", monkeypatch).write("mariadb-backup", COMPLETE)
    place.label()


def test_a_line_of_the_engine_that_is_no_text_is_no_fault(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"printf '\\xff\\x00\\xfe[oops\\n' >&2; {COMPLETE}"
    Doubles(tmp_path / "doubles", monkeypatch).write("mariadb-backup", script)
    ended = place.take()
    assert ended.exit_code == 0, ended.stdout
    assert_no_traceback(ended)
    assert PASSWORD not in ended.stdout
