"""Does a folder behind a real sshd keep the contract of a store, and its faults get words?"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from pytest_django import Settings

from backups.exceptions import RepositoryError
from backups.models import BackupCopy, Job
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.repositories.base import ObjectStore
from backups.repositories.sftp import connection
from backups.repositories.sftp.place import SftpPlace
from backups.repositories.sftp.store import SftpStore
from backups.repositories.wrappers import RetryingStore
from backups.runners import SshTarget
from backups.runners.sftp import SftpDialer
from monitor.wording.restore_by_hand import FETCHED, steps_by_hand
from tests.backups.repositories import test_contract as contract
from tests.backups.repositories.test_contract import *  # noqa: F403 - every test of the contract
from tests.commands import run_command
from tests.live.faults import add_instance
from tests.live.server import LiveServer
from tests.live.sshd import private_sshd

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

MIB = 1 << 20


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshTarget]:
    with private_sshd(tmp_path_factory.mktemp("sshd")) as target:
        yield target


@pytest.fixture  # type: ignore[no-redef]
def place(target: SshTarget, tmp_path: Path) -> ObjectStore:
    """Stand in for the contract's places."""
    return store_at(target, tmp_path / "repository")


def store_at(target: SshTarget, folder: Path) -> SftpStore:
    place = SftpPlace(target.user, target.host, str(folder), target.port)
    return SftpStore(place, SftpDialer(target, lambda host, port: None))


def sessions(target: SshTarget) -> list[psutil.Process]:
    """Return what sshd runs for its connections, the server's program last."""
    sshd = psutil.Process(int((target.identity_file.parent / "sshd.pid").read_text()))
    return [process for process in sshd.children(recursive=True) if process.is_running()]


def fingerprint(folder: Path) -> str:
    words = ["ssh-keygen", "-lf", str(folder / "host_key.pub")]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()[1]


def test_an_unknown_host_is_not_logged_in_to(target: SshTarget, tmp_path: Path) -> None:
    (tmp_path / "known").touch()
    store = store_at(replace(target, known_hosts=tmp_path / "known"), tmp_path)
    with pytest.raises(RepositoryError, match="its host key is unknown: it shows") as raised:
        store.identity()
    assert fingerprint(target.identity_file.parent) in str(raised.value)
    assert "ssh-keyscan" in raised.value.hint
    assert not raised.value.transient


def test_a_changed_host_key_is_shown(target: SshTarget, tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    known = tmp_path / "known"
    known.write_text(f"[127.0.0.1]:{target.port} {(tmp_path / 'other.pub').read_text()}")
    with pytest.raises(RepositoryError, match="its host key has changed: it now shows") as raised:
        store_at(replace(target, known_hosts=known), tmp_path).identity()
    assert fingerprint(target.identity_file.parent) in str(raised.value)
    assert not raised.value.transient


def test_a_key_that_is_not_authorized_is_refused(target: SshTarget, tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    with pytest.raises(RepositoryError, match="Permission denied") as raised:
        store_at(replace(target, identity_file=other), tmp_path).identity()
    assert "authorized_keys" in raised.value.hint


def test_a_port_without_a_server_is_refused_and_tried_again(
    target: SshTarget, tmp_path: Path
) -> None:
    waited: list[float] = []
    store = store_at(replace(target, port=1), tmp_path)
    with pytest.raises(RepositoryError, match="Connection refused"):
        RetryingStore(store, waited.append).identity()
    assert len(waited) == 3


def test_a_server_killed_in_mid_upload(target: SshTarget, tmp_path: Path) -> None:
    store = store_at(target, tmp_path / "repository")
    store.initialise(contract.IDENTITY)
    with (
        pytest.raises(RepositoryError, match="a/one could not be") as raised,
        store.create("a/one") as upload,
    ):
        upload.write(bytes(MIB))
        for process in sessions(target):
            # One ends with the one before it.
            with suppress(psutil.NoSuchProcess):
                process.kill()
        while True:
            upload.write(bytes(MIB))
    assert raised.value.transient
    assert list(RetryingStore(store).list("a")) == []
    contract.put(store, "a/one", b"again")
    assert store.read("a/one") == b"again"


def test_a_frozen_server_is_given_up(
    target: SshTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_at(target, tmp_path / "repository")
    store.initialise(contract.IDENTITY)
    monkeypatch.setattr(connection, "STALL_SECONDS", 1)
    server = sessions(target)[-1]
    os.kill(server.pid, signal.SIGSTOP)
    with (
        pytest.raises(RepositoryError, match="did not answer for"),
        store.create("a/one") as upload,
    ):
        # More than the windows of ssh and the sockets take.
        for _ in range(64):
            upload.write(bytes(MIB))
        upload.commit()
    os.kill(server.pid, signal.SIGKILL)


@pytest.fixture
def repository(target: SshTarget, tmp_path: Path, settings: Settings) -> Path:
    """Add a folder by the command a user has; return it."""
    settings.OUTBOUND_NETWORKS = ["127.0.0.0/8"]
    settings.BACKUP_KEY_TEXT = ""
    settings.BACKUP_KEY_FILE = tmp_path / "backup.key"
    settings.SCRATCH_FOLDER = tmp_path / "scratch"
    assert run_command("createbackupkey").exit_code == 0
    folder = tmp_path / f"fleet-{uuid4().hex[:8]}"
    ended = run_command(
        "addrepository",
        "offsite",
        *("--path", f"sftp://{target.user}@127.0.0.1:{target.port}{folder}"),
        *("--identity-file", str(target.identity_file)),
        *("--known-hosts-file", str(target.known_hosts)),
    )
    assert ended.exit_code == 0, ended.stderr
    return folder


def ran(command: str, *words: str) -> dict[str, Any]:
    ended = run_command(command, *words, "--json")
    assert ended.exit_code == 0, (ended.stdout, ended.stderr)
    return ended.json()


def extract_by_hand(target: SshTarget, copy: BackupCopy, needed: str, folder: Path) -> None:
    """Run the step that the page of a backup shows, and extract what it fetches."""
    fetched = folder / "fetched"
    lines = steps_by_hand(copy, [needed])[0].command.replace(FETCHED, str(fetched)).split(" &&\n")
    options = [
        *("-i", str(target.identity_file)),
        *("-o", f"UserKnownHostsFile={target.known_hosts}"),
    ]
    for words in map(shlex.split, lines):
        if words[0] == "mkdir":
            Path(words[-1]).mkdir(parents=True)
        else:
            subprocess.run([words[0], *options, *words[1:]], check=True, capture_output=True)
    argv = [sys.executable, "scripts/extract_backup.py", str(fetched)]
    argv += ["--label", copy.backup.label, "--key-file", str(folder / "backup.key")]
    done = subprocess.run(
        [*argv, "--to", str(folder / "by-hand")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_whole_path(
    target: SshTarget, mariadb: LiveServer, repository: Path, tmp_path: Path
) -> None:
    mariadb.execute(
        "CREATE OR REPLACE DATABASE far",
        "USE far",
        "CREATE TABLE far.orders (id INT PRIMARY KEY, note VARCHAR(200)) ENGINE=InnoDB",
        "INSERT INTO far.orders SELECT seq, REPEAT(MD5(seq), 6) FROM seq_1_to_5000",
    )
    add_instance(mariadb)
    full = str(ran("takebackup", "orders-1", "--foreground")["label"])
    mariadb.execute("USE far", "INSERT INTO far.orders SELECT seq, 'new' FROM seq_5001_to_6000")
    # Labels are made of the second of the start.
    time.sleep(1)
    words = ["--kind", "incremental", "--foreground"]
    link = str(ran("takebackup", "orders-1", *words)["label"])
    for label in (full, link):
        ran("verifybackup", label, "--foreground")
    ran("restorebackup", link, "--to", str(tmp_path / "chain"), "--foreground")
    with (
        PrivateServer(tmp_path / "chain", ServerOptions()) as server,
        server.connect() as root,
        root.cursor() as cursor,
    ):
        cursor.execute("SELECT COUNT(*) FROM far.orders")
        assert cursor.fetchone() == (6000,)

    extract_by_hand(target, BackupCopy.objects.get(backup__label=link), full, tmp_path)

    for label in (link, full):
        ran("purgebackup", label, "--force", "--now", "--reason", "a test", "--foreground")
    files = [path.name for path in repository.rglob("*") if path.is_file()]
    assert files == ["mooring.json"]


def test_a_backup_whose_server_dies_fails_in_words_and_leaves_nothing(
    target: SshTarget, mariadb: LiveServer, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_instance(mariadb)
    written = SftpStore.create

    def create_and_die(store: SftpStore, name: str) -> Any:
        upload = written(store, name)
        if name.endswith(".pack"):
            for process in sessions(target):
                # One ends with the one before it.
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        return upload

    with monkeypatch.context() as patch:
        patch.setattr(SftpStore, "create", create_and_die)
        ended = run_command("takebackup", "orders-1", "--foreground", "--json")
    assert ended.exit_code == 1
    assert "could not be" in ended.json()["error"]
    assert Job.objects.get().status == "failed"
    files = [path.name for path in repository.rglob("*") if path.is_file()]
    assert files == ["mooring.json"]
