"""Does nobody wait for a mount that hangs, and is everything cleared up when it answers again?"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backups.exceptions import RepositoryError
from backups.repositories import apart
from backups.repositories.apart import Apart, DoesNotAnswer
from backups.repositories.base import Identity
from backups.repositories.directory import REMOUNT_HINT, DirectoryStore
from backups.repositories.exported.store import ExportedStore
from backups.repositories.exported.writer import ExportWriter
from backups.repositories.layout import FORMAT_VERSION
from backups.repositories.wrappers import AnsweringStore, RetryingStore
from tests.backups.repositories.held_mount import HeldMount, held_mount
from tests.backups.repositories.stale_mount import stale_mount

IDENTITY = Identity("00000000-0000-4000-8000-000000000007", FORMAT_VERSION)
MIB = 1 << 20


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(apart, "LOOK_SECONDS", 0.05)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a hanging call waits for."""
    gate = threading.Event()
    yield gate
    gate.set()


def until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 10
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_a_call_returns_what_it_returns(gate: threading.Event) -> None:
    calls = Apart()
    assert calls.call("/mnt", lambda: 7) == 7
    with pytest.raises(OSError, match="Stale") as raised:
        calls.call("/mnt", lambda: os_error(errno.ESTALE))
    assert raised.value.errno == errno.ESTALE
    # Also a kind of TimeoutError, which is not one of ours.
    with pytest.raises(TimeoutError, match="timed out"):
        calls.call("/mnt", lambda: os_error(errno.ETIMEDOUT))


def os_error(number: int) -> None:
    raise OSError(number, os.strerror(number))


def test_a_call_that_hangs_is_left_alone_and_others_fail_at_once(gate: threading.Event) -> None:
    calls = Apart()
    with pytest.raises(DoesNotAnswer, match=r"/mnt does not answer since .* UTC") as raised:
        calls.call("/mnt", gate.wait)
    assert raised.value.hint
    began = time.monotonic()
    with pytest.raises(DoesNotAnswer):
        calls.call("/mnt", lambda: 7)
    assert time.monotonic() - began < 0.2
    assert calls.call("/other", lambda: 7) == 7

    gate.set()
    until(lambda: answers(calls))


def answers(calls: Apart) -> bool:
    try:
        return bool(calls.call("/mnt", lambda: True))
    except DoesNotAnswer:
        return False


def test_a_call_that_is_slow_and_moves_is_waited_for() -> None:
    def move() -> int:
        for _ in range(12):
            time.sleep(0.1)
        return 7

    assert Apart().call("/mnt", move) == 7


def test_what_waits_for_an_answer_is_done_then(gate: threading.Event) -> None:
    calls, done = Apart(), threading.Event()
    with pytest.raises(DoesNotAnswer):
        calls.call("/mnt", gate.wait)
    calls.later("/mnt", done.set)
    assert not done.is_set()
    gate.set()
    assert done.wait(10)


def test_what_comes_too_late_is_undone(gate: threading.Event) -> None:
    calls, undone = Apart(), threading.Event()
    with pytest.raises(DoesNotAnswer):
        calls.call("/mnt", gate.wait, lambda result: undone.set() if result else None)
    gate.set()
    assert undone.wait(10)


def test_threads_are_used_again() -> None:
    calls = Apart()
    names = {calls.call("/mnt", threading.get_ident) for _ in range(50)}
    assert len(names) <= 2


def test_many_callers_at_once() -> None:
    calls = Apart()
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda n: calls.call("/mnt", lambda: n), range(200)))
    assert got == list(range(200))


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[HeldMount]:
    with held_mount(tmp_path / "there", tmp_path / "mount") as mount:
        yield mount


def test_a_mount_whose_server_is_frozen_holds_up_nobody(mount: HeldMount) -> None:
    """A real hang in the kernel: what is in it can be ended by nobody."""
    store = RetryingStore(AnsweringStore(mount.store(), "the mount"))
    store.initialise(IDENTITY)
    with store.create("a/whole") as upload:
        upload.write(b"x")
        upload.commit()

    with (
        pytest.raises(DoesNotAnswer),
        store.create("a/half") as upload,
    ):
        upload.write(bytes(MIB))
        mount.freeze()
        for _ in range(64):
            upload.write(bytes(MIB))
        upload.commit()
    for attempt in (
        store.identity,
        store.try_writing,
        store.free_bytes,
        store.clock,
        lambda: store.read("a/whole"),
        lambda: list(store.list("a")),
        lambda: store.remove_tree("a"),
    ):
        with pytest.raises(RepositoryError, match="the mount does not answer since"):
            attempt()

    mount.thaw()
    until(lambda: not (mount.behind / "a/half.part").exists())
    assert store.read("a/whole") == b"x"
    assert list(store.list("a")) == ["a/whole"]


@pytest.mark.parametrize("step", ["identity", "list", "free_bytes", "read", "remove", "clock"])
def test_each_kind_of_call_can_be_the_one_that_hangs(mount: HeldMount, step: str) -> None:
    store = AnsweringStore(mount.store(), f"the mount of {step}")
    store.initialise(IDENTITY)
    attempts: dict[str, Callable[[], object]] = {
        "identity": store.identity,
        "list": lambda: list(store.list("instances")),
        "free_bytes": store.free_bytes,
        "read": lambda: store.read("mooring.json"),
        "remove": lambda: store.remove("none"),
        "clock": store.clock,
    }
    mount.freeze()
    with pytest.raises(DoesNotAnswer):
        attempts[step]()
    mount.thaw()
    until(lambda: store.exists("mooring.json") if not hangs(store) else False)


def hangs(store: AnsweringStore) -> bool:
    try:
        store.free_bytes()
    except DoesNotAnswer:
        return True
    return False


@pytest.mark.parametrize("apart", [False, True])
def test_a_stale_handle_says_to_mount_it_again(tmp_path: Path, apart: bool) -> None:
    point = tmp_path / "stale"
    with stale_mount(point):
        bare = DirectoryStore(point, IDENTITY.uuid)
        store = AnsweringStore(bare, "the mount") if apart else bare
        for attempt in (
            store.identity,
            store.try_writing,
            store.free_bytes,
            lambda: store.read("a/whole"),
            lambda: store.exists("a/whole"),
            lambda: list(store.list("a")),
            lambda: store.create("a/new"),
            lambda: store.remove_tree("a"),
        ):
            with pytest.raises(RepositoryError, match="Stale file handle") as raised:
                attempt()
            assert "unmount it and mount it again" in raised.value.hint
            assert raised.value.transient


def test_a_stale_handle_of_an_exported_file_says_so_too(tmp_path: Path) -> None:
    with stale_mount(tmp_path / "stale"):
        file = tmp_path / "stale" / "orders.tar"
        for attempt in (ExportedStore(file).identity, lambda: ExportWriter(file, 7)):
            with pytest.raises(RepositoryError, match="Stale file handle") as raised:
                attempt()
            assert raised.value.hint == REMOUNT_HINT


def test_a_mount_whose_server_is_gone_is_an_error(mount: HeldMount) -> None:
    store = AnsweringStore(mount.store())
    store.initialise(IDENTITY)
    mount.kill()
    with pytest.raises(RepositoryError, match="Transport endpoint is not connected"):
        store.read("mooring.json")
