"""Do the commands that the documents print restore a backup, as they are printed?

Each block marked ``sh`` is run as it stands. Only the assignments at the beginning of a line
(where the repository is, which backup, which user) get the values of the test.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pymysql
import pytest
from pytest_django import Settings

from backups.models import Instance, Repository
from tests.commands import run_command
from tests.documents import ROOT, blocks
from tests.live.clone_jobs import USER, add_instance, make_main, taken
from tests.live.mysql import PrivateMysql, mysql_folder
from tests.live.server import LiveServer

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

BY_HAND = ROOT / "docs" / "restore-by-hand.md"
OPERATIONS = ROOT / "docs" / "operations.md"
START_SECONDS = 180
PASSWORD = "pr1nted-n0where"


@pytest.fixture
def ground() -> Iterator[Path]:
    """A folder that any user may enter; what still runs in it at the end is ended."""
    folder = Path(tempfile.mkdtemp(prefix="mooring-doc-"))
    folder.chmod(0o755)
    yield folder
    for file in folder.rglob("server.pid"):
        with suppress(psutil.NoSuchProcess):
            server = psutil.Process(int(file.read_text()))
            server.kill()
            server.wait(30)
    shutil.rmtree(folder)


def printed(document: Path, *, under: str = "", product: str = "") -> list[str]:
    """Return the commands of a document, of one section, for one product."""
    return [
        block.text
        for block in blocks(document)
        if block.language == "sh"
        and (not under or under in block.headings)
        and (len(block.headings) < 3 or block.headings[2] in (product, under))
    ]


def statements(product: str) -> list[str]:
    """Return the statements that operations.md prints for the account of a backup."""
    (text,) = [
        block.text
        for block in blocks(OPERATIONS)
        if block.language == "sql" and block.headings[-1] == product
    ]
    text = text.replace("HOST", "127.0.0.1").replace("'...'", f"'{PASSWORD}'")
    return [statement for statement in text.split(";") if statement.strip()]


def run(commands: Sequence[str], values: Mapping[str, str], folder: Path, *, path: str = "") -> str:
    """Run commands in one shell, as somebody who pastes them, and return what they printed."""
    script = "\n".join(commands)
    for name, value in values.items():
        script, times = re.subn(rf"^{name}=\S+", f"{name}={value}", script, flags=re.MULTILINE)
        assert times, name
    search = ":".join(filter(None, (path, str(Path(sys.executable).parent), os.environ["PATH"])))
    said = folder / "said"
    with said.open("wb") as output:
        # A file and not a pipe: the server that is started in the background holds it open.
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env={"PATH": f"{search}:/usr/sbin:/sbin", "HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=START_SECONDS,
            check=False,
        )
    text = said.read_text(errors="replace")
    logs = [log.read_text(errors="replace")[-4000:] for log in folder.rglob("server.log")]
    assert done.returncode == 0, "\n".join([text, *logs])
    return text


def unprivileged() -> str:
    """Return the user a server may run as: not root, where the test is root."""
    return "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def places(repository: Repository, label: str, key_file: Path, folder: Path) -> dict[str, str]:
    return {
        "REPOSITORY": repository.path,
        "KEY_FILE": str(key_file),
        "SCRIPT": str(ROOT / "scripts" / "extract_backup.py"),
        "LABEL": label,
        "DATA": str(folder / "restored" / "data"),
        "RUN": str(folder / "restored" / "run"),
    }


@pytest.fixture
def shop(mariadb: LiveServer) -> Instance:
    mariadb.execute(
        "CREATE OR REPLACE DATABASE documents",
        "CREATE TABLE documents.t (i INT)",
        "INSERT INTO documents.t VALUES (1), (2)",
    )
    return Instance.objects.create(
        name="bank-1", port=mariadb.port, user="root", engine="mariadb_backup"
    )


def test_a_mariadb_is_restored_by_hand(
    shop: Instance, tmp_path: Path, ground: Path, settings: Settings
) -> None:
    main = make_main(tmp_path, settings)
    values = places(main, taken(), settings.BACKUP_KEY_FILE, ground)
    commands = printed(BY_HAND, product="MariaDB")
    text = run(commands, values | {"OWNER": unprivileged()}, ground)
    assert "every byte checked" in text
    assert "completed OK!" in text
    assert "documents" in text
    assert re.search(r"^ +\d+ OK$", text, re.MULTILINE)
    log = (ground / "restored" / "run" / "server.log").read_text()
    assert "Shutdown complete" in log


def test_a_mysql_is_restored_by_hand(tmp_path: Path, ground: Path, settings: Settings) -> None:
    with PrivateMysql(tmp_path / "donor") as donor:
        donor.execute(
            *USER,
            "GRANT SELECT, LOCK TABLES ON *.* TO bk@'127.0.0.1'",
            "CREATE DATABASE documents",
            "CREATE TABLE documents.old (i INT) ENGINE=MyISAM",
            "INSERT INTO documents.old VALUES (1), (2), (3)",
        )
        main = make_main(tmp_path, settings)
        add_instance(donor, "--save-foreign-tables")
        label = taken()
    values = places(main, label, settings.BACKUP_KEY_FILE, ground)
    # An unpacked MySQL may be where nobody else can read it, so it runs as its owner.
    values |= {"OWNER": pwd.getpwuid(os.geteuid()).pw_name}
    count = "mysql --no-defaults --socket=$RUN/server.sock -e 'SELECT COUNT(*) FROM documents.old'"
    commands = printed(BY_HAND, product="MySQL")
    commands[-1] = f"{count}\n{commands[-1]}"
    text = run(commands, values, ground, path=installed_mysql(ground))
    assert "every byte checked" in text
    assert "COUNT(*)\n3\n" in text
    assert not (ground / "restored" / "data" / "mooring-foreign").exists()


def installed_mysql(folder: Path) -> str:
    """Make a folder for the PATH whose programs find the parts of an unpacked MySQL."""
    home, programs = mysql_folder(), folder / "bin"
    programs.mkdir()
    parts = [
        f"--basedir={home}",
        f"--lc-messages-dir={home / 'share'}",
        f"--character-sets-dir={home / 'share' / 'charsets'}",
        f"--plugin-dir={home / 'plugin'}",
    ]
    for name, words in (("mysqld", parts), ("mysql", parts[2:3])):
        path = programs / name
        path.write_text(f'#!/bin/sh\nexec {home}/bin/{name} "$@" {" ".join(words)}\n')
        path.chmod(0o755)
    return str(programs)


def test_a_server_on_restored_files_is_private(
    shop: Instance, tmp_path: Path, ground: Path, settings: Settings
) -> None:
    make_main(tmp_path, settings)
    target = ground / "restored"
    ended = run_command("restorebackup", taken(), "--to", str(target), "--foreground")
    assert ended.exit_code == 0, ended.stderr
    start, stop = printed(OPERATIONS, under="A server on restored files", product="MariaDB")
    owner, sockets = unprivileged(), ground / "run"
    values = {"TARGET": str(target), "RUN": str(sockets), "OWNER": owner}
    run([start], values, ground)
    server = psutil.Process(int((sockets / "server.pid").read_text()))
    assert server.username() == owner
    assert server.net_connections() == []
    with pymysql.connect(unix_socket=str(sockets / "server.sock"), user="root") as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT @@event_scheduler, COUNT(*) FROM documents.t")
        assert cursor.fetchone() == ("DISABLED", 2)
    stopping = stop.replace("-u root -p", "-u root")
    assert stopping != stop
    run([f"RUN={sockets}\n{stopping}"], {}, ground)
    server.wait(60)


def test_a_mysql_on_restored_files_is_private(
    tmp_path: Path, ground: Path, settings: Settings
) -> None:
    with PrivateMysql(tmp_path / "donor") as donor:
        donor.execute(*USER, "CREATE DATABASE documents")
        make_main(tmp_path, settings)
        add_instance(donor)
        target = ground / "restored"
        ended = run_command("restorebackup", taken(), "--to", str(target), "--foreground")
    assert ended.exit_code == 0, ended.stderr
    (start,) = printed(OPERATIONS, under="A server on restored files", product="MySQL")
    sockets = ground / "run"
    owner = pwd.getpwuid(os.geteuid()).pw_name
    values = {"TARGET": str(target), "RUN": str(sockets), "OWNER": owner}
    run([start], values, ground, path=installed_mysql(ground))
    server = psutil.Process(int((sockets / "server.pid").read_text()))
    assert server.net_connections() == []
    with pymysql.connect(unix_socket=str(sockets / "server.sock"), user="root") as connection:
        cursor = connection.cursor()
        cursor.execute("SHOW DATABASES LIKE 'documents'")
        assert cursor.fetchone() == ("documents",)
    server.send_signal(signal.SIGTERM)
    server.wait(60)


def looked_at(port: int, folder: Path) -> list[tuple[str, str]]:
    """Add an instance with the account of the documents; return what doctor has against it."""
    file = folder / "password"
    file.write_text(PASSWORD)
    account = ["--port", str(port), "--user", "mooring", "--password-file", str(file)]
    added = run_command("addinstance", "shop-1", *account)
    assert added.exit_code == 0, added.stderr
    ended = run_command("doctor", "shop-1", "--json")
    assert ended.exit_code == 0, ended.stdout
    checks = {check["name"]: check["verdict"] for check in ended.json()["checks"]}
    assert len(checks) > 5
    # What this machine's kernel does with priorities is its own matter.
    for name in ("processor priority", "disk priority"):
        del checks[name]
    return [(name, verdict) for name, verdict in checks.items() if verdict != "ok"]


# Server and repository are both in a temporary folder.
ONE_DISK = [("disk of main", "warning")]


def test_the_account_for_a_mariadb_suffices(
    mariadb: LiveServer, tmp_path: Path, settings: Settings
) -> None:
    make_main(tmp_path, settings)
    mariadb.execute("DROP USER IF EXISTS mooring@'127.0.0.1'", *statements("MariaDB"))
    assert looked_at(mariadb.port, tmp_path) == ONE_DISK


def test_the_account_for_a_mysql_suffices(tmp_path: Path, settings: Settings) -> None:
    make_main(tmp_path, settings)
    with PrivateMysql(tmp_path / "donor") as donor:
        donor.execute(*statements("MySQL"))
        assert looked_at(donor.port, tmp_path) == ONE_DISK
