"""What programs that open the files of a backup can reach, with real programs.

Where this host builds no walls, as in some containers, the user without rights is what remains:
each test says what holds then.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from backups.programs.private_server import PrivateServer, ServerOptions
from backups.restores.run_user import change_owner, give_folder
from backups.runners import LocalRunner
from backups.runners.sandbox import Sandbox, sandbox_works
from tests.live.server import new_mariadb

pytestmark = pytest.mark.live

# Has no rights anywhere, and is on every system.
NOBODY = (65534, 65534)


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("confined") / "data"
    new_mariadb(folder)
    return folder


@pytest.fixture
def folder(made_once: Path, tmp_path: Path) -> Path:
    copied = tmp_path / "data"
    shutil.copytree(made_once, copied)
    if os.geteuid() == 0:
        change_owner(copied, *NOBODY)
        give_folder(copied, *NOBODY)
        let_in(tmp_path)
    return copied


def let_in(folder: Path) -> None:
    """Without walls nobody reaches what is below pytest's own folders."""
    while folder != folder.parent and folder.stat().st_uid == os.geteuid():
        folder.chmod(folder.stat().st_mode | 0o011)
        folder = folder.parent


@pytest.fixture
def server(folder: Path) -> Iterator[PrivateServer]:
    settings = ServerOptions(confined=True, skip_grant_tables=True)
    with PrivateServer(folder, settings) as running:
        yield running


def test_a_private_server_has_no_network_and_listens_on_nothing(server: PrivateServer) -> None:
    process = psutil.Process(server.pid)
    assert process.name() == "mariadbd"
    assert process.net_connections("inet") == []
    apart = os.readlink(f"/proc/{process.pid}/ns/net") != os.readlink("/proc/self/ns/net")
    assert apart is sandbox_works()


def test_a_private_server_has_no_rights_of_ours(server: PrivateServer) -> None:
    uids = psutil.Process(server.pid).uids()
    assert set(uids) == {NOBODY[0] if os.geteuid() == 0 else os.geteuid()}
    if os.geteuid() == 0:
        status = Path(f"/proc/{server.pid}/status").read_text()
        assert "CapEff:\t0000000000000000" in status


def test_a_private_server_sees_its_own_folders_and_the_systems(
    server: PrivateServer, tmp_path: Path
) -> None:
    (tmp_path / "beside").write_text("Tr0ub4dor")
    (tmp_path / "beside").chmod(0o644)
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT LOAD_FILE(%s)", (str(tmp_path / "beside"),))
        (found,) = cursor.fetchone() or ("",)
    assert (found is None) is sandbox_works()


def test_stopping_it_is_a_shutdown_in_order(server: PrivateServer) -> None:
    pid = server.pid
    server.shut_down()
    assert pid is not None
    assert not psutil.pid_exists(pid)


def test_a_server_that_is_killed_is_distinct_from_one_that_crashed(folder: Path) -> None:
    server = PrivateServer(folder, ServerOptions(confined=True))
    server.start()
    assert server.pid is not None
    psutil.Process(server.pid).kill()
    with pytest.raises(Exception, match="was killed before it had shut down"):
        server.shut_down()


def test_a_tool_reads_its_settings_and_writes_its_folder(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    for sandboxed in (mine, other):
        sandboxed.mkdir()
    owner = NOBODY if os.geteuid() == 0 else None
    if owner is not None:
        give_folder(mine, *owner)
        let_in(tmp_path)
    script = 'cat "$1" >"$2/written" && id -u && ls "$3"'
    argv = ["sh", "-c", script, "sh", "{settings}", str(mine), str(other)]
    runner = LocalRunner(Sandbox((mine,), owner=owner))
    with runner.start(argv, secret_files={"settings": "Tr0ub4dor"}) as command:
        said, errors = command.stdout.read().decode(), command.stderr.read().decode()
        command.wait()
    assert (mine / "written").read_text() == "Tr0ub4dor", errors
    assert said.splitlines()[0] == str(owner[0] if owner else os.geteuid())
    assert ("No such file" in errors) is sandbox_works()
