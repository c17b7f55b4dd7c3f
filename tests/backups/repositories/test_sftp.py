"""What can go wrong with a folder of another host, beyond the contract of every store?

The server's own program without a network; ssh itself is in tests/live/test_sftp.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from backups.exceptions import RepositoryError
from backups.repositories.base import Identity
from backups.repositories.layout import FORMAT_VERSION
from backups.repositories.sftp import connection
from backups.repositories.sftp.place import SftpPlace
from backups.repositories.sftp.store import SftpStore
from backups.repositories.wrappers import RetryingStore
from tests.backups.repositories.sftp_line import SFTP_SERVER, ServerProgram, new_sftp_store

IDENTITY = Identity("00000000-0000-4000-8000-000000000007", FORMAT_VERSION)
ODD_SERVER = Path(__file__).with_name("odd_sftp_server.py")
MIB = 1 << 20


@pytest.fixture
def dialer() -> ServerProgram:
    return ServerProgram()


@pytest.fixture
def store(tmp_path: Path, dialer: ServerProgram) -> SftpStore:
    store = new_sftp_store(tmp_path / "repository", dialer=dialer)
    store.initialise(IDENTITY)
    return store


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALL_SECONDS", 0.4)
    monkeypatch.setattr(connection, "LOOK_SECONDS", 0.1)


def put(store: SftpStore, name: str, content: bytes) -> None:
    with store.create(name) as upload:
        upload.write(content)
        upload.commit()


def odd_store(folder: Path, *words: str) -> SftpStore:
    return new_sftp_store(folder, dialer=ServerProgram((sys.executable, str(ODD_SERVER), *words)))


def test_a_session_that_is_cut_ends_the_upload_and_the_next_one_succeeds(
    store: SftpStore, dialer: ServerProgram, tmp_path: Path
) -> None:
    with (
        pytest.raises(RepositoryError, match=r"a/one could not be .*connection was cut") as raised,
        store.create("a/one") as upload,
    ):
        upload.write(bytes(MIB))
        os.kill(dialer.lines[-1].process[0], signal.SIGKILL)
        while True:
            upload.write(bytes(MIB))
    assert raised.value.transient
    assert not store.exists("a/one")
    assert [path.name for path in (tmp_path / "repository/a").iterdir()] == []

    put(store, "a/one", b"again")
    assert store.read("a/one") == b"again"


def test_what_can_be_repeated_survives_a_session_that_is_cut(
    store: SftpStore, dialer: ServerProgram
) -> None:
    put(store, "one", b"content")
    os.kill(dialer.lines[-1].process[0], signal.SIGKILL)
    assert RetryingStore(store, sleep=lambda _: None).read("one") == b"content"


@pytest.mark.usefixtures("impatient")
def test_a_frozen_server_is_noticed_by_what_does_not_move(
    store: SftpStore, dialer: ServerProgram
) -> None:
    put(store, "one", b"content")
    os.kill(dialer.lines[-1].process[0], signal.SIGSTOP)
    with pytest.raises(RepositoryError, match=r"one could not be read: .*did not answer") as raised:
        store.read("one")
    assert raised.value.transient
    # In a new session.
    assert store.read("one") == b"content"


class JumpingClock:
    """The time of a process that can be suspended: everything but this clock stands still."""

    def __init__(self) -> None:
        self.slept = 0.0
        self.looks = 0

    def monotonic(self) -> float:
        self.looks += 1
        return time.monotonic() + self.slept


def test_a_worker_that_was_suspended_itself_does_not_blame_the_server(
    store: SftpStore, dialer: ServerProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "one", b"content")
    clock = JumpingClock()
    monkeypatch.setattr(connection, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(connection, "time", clock)
    server = dialer.lines[-1].process[0]
    os.kill(server, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as others:
        reading = others.submit(store.read, "one")
        wait_for_looks(clock)
        # Longer than any silence is borne; and it has not answered in the moment after either.
        clock.slept = 10 * connection.STALL_SECONDS
        wait_for_looks(clock)
        os.kill(server, signal.SIGCONT)
        assert reading.result(20) == b"content"
    assert len(dialer.lines) == 1


def wait_for_looks(clock: JumpingClock) -> None:
    """Wait until the session has looked at its clock several times more."""
    until, before = time.monotonic() + 20, clock.looks
    while clock.looks < before + 20:
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.usefixtures("impatient")
def test_one_request_that_is_not_answered_ends_a_busy_session(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    dialer = ServerProgram((sys.executable, str(ODD_SERVER), "deaf", "lost"))
    store = new_sftp_store(tmp_path / "repository", dialer=dialer)
    put(store, "one", b"content")
    with ThreadPoolExecutor(1) as others:
        lost = others.submit(store.exists, "lost")
        give_up = time.monotonic() + 20
        # Others go on over the same session, until it is dropped.
        while not lost.done() and time.monotonic() < give_up:
            with suppress(RepositoryError):
                assert store.read("one") == b"content"
        answered = lost.done()
        dialer.lines[-1].stop()
        assert answered
        with pytest.raises(RepositoryError, match="did not answer one request"):
            lost.result()
    assert store.read("one") == b"content"


@pytest.mark.usefixtures("impatient")
def test_a_server_that_freezes_holds_up_no_writer(store: SftpStore, dialer: ServerProgram) -> None:
    with (
        pytest.raises(RepositoryError, match="did not answer"),
        store.create("one") as upload,
    ):
        os.kill(dialer.lines[-1].process[0], signal.SIGSTOP)
        # More than fits into the pipe.
        for _ in range(16):
            upload.write(bytes(MIB))
        upload.commit()


def test_an_unused_session_closes_and_a_held_one_does_not(
    store: SftpStore, dialer: ServerProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.1)
    with store.create("one") as upload:
        upload.write(b"slow")
        with pytest.raises(subprocess.TimeoutExpired):
            dialer.lines[-1]._child.wait(0.5)
        upload.commit()
    dialer.lines[-1].wait()
    assert store.read("one") == b"slow"


def test_a_rename_whose_response_was_lost_is_not_done_twice(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    store = odd_store(tmp_path / "repository", "cut", str(tmp_path / "was-cut"))
    put(store, "a/one", b"content")
    assert (tmp_path / "was-cut").exists()
    assert store.read("a/one") == b"content"
    assert list(store.list("a")) == ["a/one"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", "size=4m"]
    subprocess.run(["mount", *options, "mooring-test", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_says_so_and_keeps_nothing_incomplete(small_disk: Path) -> None:
    store = new_sftp_store(small_disk)
    store.initialise(IDENTITY)
    with (
        pytest.raises(RepositoryError, match=r"a/big could not be .*: no space left") as raised,
        store.create("a/big") as upload,
    ):
        upload.write(bytes(6 * MIB))
        upload.commit()
    assert raised.value.hint.startswith("Free space in the repository")
    assert sorted(path.name for path in small_disk.rglob("*")) == ["a", "mooring.json"]
    assert (store.free_bytes() or 0) > 3 * MIB
    assert store.total_bytes() == 4 * MIB


def test_a_folder_that_may_not_be_written_has_a_hint(tmp_path: Path, store: SftpStore) -> None:
    read_only = ServerProgram((SFTP_SERVER, "-R"))
    barred = new_sftp_store(tmp_path / "repository", dialer=read_only)
    with pytest.raises(RepositoryError, match="permission denied") as raised:
        barred.try_writing()
    assert raised.value.hint == "Give that account of the server read and write access there."


def test_a_server_without_extensions_does_all_but_replace(tmp_path: Path) -> None:
    denied = "posix-rename,fsync,statvfs,limits"
    store = new_sftp_store(tmp_path / "r", dialer=ServerProgram((SFTP_SERVER, "-P", denied)))
    store.initialise(IDENTITY)
    put(store, "a/one", bytes(MIB))
    assert store.read("a/one") == bytes(MIB)
    assert (store.free_bytes(), store.confirms_writes()) == (None, False)
    with pytest.raises(RepositoryError, match="does not offer posix-rename"):
        store.replace("a/one", b"other")
    assert store.size("a/one") == MIB


@pytest.mark.parametrize("name", ["link", "folder/object", "folder", "pipe"])
def test_what_is_no_regular_file_is_neither_read_nor_followed(
    store: SftpStore, tmp_path: Path, name: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "object").write_bytes(b"another file of that host")
    root = tmp_path / "repository"
    (root / "link").symlink_to(outside / "object")
    (root / "folder").symlink_to(outside)
    os.mkfifo(root / "pipe")
    with pytest.raises(RepositoryError, match="could not be read: it is"):
        store.read(name)


def test_nothing_is_written_or_deleted_through_a_link(store: SftpStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "object").write_bytes(b"kept")
    root = tmp_path / "repository"
    (root / "folder").symlink_to(outside)
    (root / "one.part").symlink_to(outside / "object")

    put(store, "one", b"new")
    for attempt in (
        lambda: store.create("folder/two"),
        lambda: store.replace("folder/object", b"x"),
        lambda: store.remove("folder/object"),
        lambda: store.remove_tree("folder"),
    ):
        with pytest.raises(RepositoryError, match="it is a link, or no folder"):
            attempt()
    assert [path.read_bytes() for path in outside.iterdir()] == [b"kept"]
    assert store.read("one") == b"new"


def test_a_link_in_a_tree_is_removed_and_not_its_target(store: SftpStore, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "object").write_bytes(b"kept")
    put(store, "a/one", b"12345")
    (tmp_path / "repository" / "a" / "link").symlink_to(tmp_path / "outside")
    store.remove_tree("a")
    assert (tmp_path / "outside" / "object").exists()
    assert not (tmp_path / "repository" / "a").exists()


@pytest.mark.parametrize("name", ["../outside", "a/b", ""])
def test_a_name_that_leads_out_is_not_taken_from_a_list(tmp_path: Path, name: str) -> None:
    store = odd_store(tmp_path, "names", name)
    with pytest.raises(RepositoryError, match="a name that no repository has") as raised:
        list(store.list("instances"))
    assert raised.value.hint


def test_a_login_that_prints_text_is_no_sftp_server(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="what answers is no SFTP server") as raised:
        odd_store(tmp_path, "text").identity()
    assert "prints text at login" in raised.value.hint


def test_another_repository_that_appears_is_not_written_to(tmp_path: Path) -> None:
    new_sftp_store(tmp_path / "r").initialise(IDENTITY)
    store = new_sftp_store(tmp_path / "r", uuid="ours")
    for attempt in (
        lambda: store.create("packs/1"),
        lambda: store.replace("mooring.json", b""),
        lambda: store.remove_tree("packs"),
    ):
        with pytest.raises(RepositoryError, match="holds another repository"):
            attempt()


def test_a_folder_that_is_gone_is_not_an_empty_repository(tmp_path: Path) -> None:
    store = new_sftp_store(tmp_path / "none")
    for attempt in (
        lambda: list(store.list("instances")),
        lambda: store.create("a/one"),
        store.free_bytes,
    ):
        with pytest.raises(RepositoryError, match="No such file"):
            attempt()
    assert not (tmp_path / "none").exists()


def test_many_threads_share_one_session(store: SftpStore, dialer: ServerProgram) -> None:
    contents = {f"a/{number}": os.urandom(MIB + number) for number in range(6)}
    threads = [
        threading.Thread(target=put, args=(store, name, content))
        for name, content in contents.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: store.read(name) for name in store.list("a")} == contents
    assert len(dialer.lines) == 1


def test_many_names_are_listed_in_order(store: SftpStore, tmp_path: Path) -> None:
    root = tmp_path / "repository"
    for folder in ("a", "a/b", "a.b", "a/é"):
        (root / "instances" / folder).mkdir(parents=True)
        for number in range(300):
            (root / "instances" / folder / f"{number}.pack").touch()
    names = list(store.list("instances"))
    assert len(names) == 1200
    assert names == sorted(names)


def test_others_on_that_host_cannot_read_what_it_keeps(store: SftpStore, tmp_path: Path) -> None:
    put(store, "a/one", b"x")
    root = tmp_path / "repository"
    modes = [path.stat().st_mode & 0o007 for path in (root, root / "a", root / "a" / "one")]
    assert modes == [0, 0, 0]


def test_a_path_may_begin_where_the_account_does(tmp_path: Path) -> None:
    dialer = ServerProgram((SFTP_SERVER, "-d", str(tmp_path)))
    store = SftpStore(SftpPlace("tester", "nas", "deep/repository"), dialer)
    store.initialise(IDENTITY)
    put(store, "a/one", b"x")
    assert (tmp_path / "deep/repository/a/one").read_bytes() == b"x"
    assert list(store.list("a")) == ["a/one"]
    assert store.remove_tree("a") == 1
