"""What does each object store do on a bad day? It says so in time, and keeps no half object."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from backups.exceptions import RepositoryError
from backups.repositories.base import Identity
from backups.repositories.layout import FORMAT_VERSION
from backups.repositories.objects import clients, connection, dates, upload
from backups.repositories.objects.store import BucketStore
from tests.backups.repositories.bad_proxy import (
    Action,
    BadProxy,
    Stale,
    after,
    bad_proxy,
    cut_answer,
    cut_off,
    drip,
    hang,
    refuse,
    reset,
)
from tests.backups.repositories.clouds import CLOUDS, Cloud

IDENTITY = Identity("00000000-0000-0000-0000-000000000007", FORMAT_VERSION)
CONTENT = bytes(range(256)) * 80_000
# No operation takes longer, with the times of these tests.
MOST_SECONDS = 60

FAULTS: dict[str, Callable[[Cloud], Action]] = {
    "busy": lambda cloud: cloud.busy,
    "broken": lambda _: refuse(500, "InternalError"),
    "expired": lambda cloud: cloud.expired,
    "gone": lambda cloud: cloud.gone,
    "reset": lambda _: reset,
    "cut off": lambda _: cut_off,
    "silent": lambda _: hang,
}


@pytest.fixture(params=sorted(CLOUDS))
def cloud(request: pytest.FixtureRequest) -> Cloud:
    return CLOUDS[request.param]


@pytest.fixture
def proxy(cloud: Cloud) -> Iterator[BadProxy]:
    with bad_proxy(cloud.address()) as proxy:
        yield proxy


@pytest.fixture
def store(cloud: Cloud, proxy: BadProxy) -> BucketStore:
    store = cloud.store(proxy.url)
    store.initialise(IDENTITY)
    put(store, "a/one", b"0123456789")
    return store


@pytest.fixture
def hasty(store: BucketStore, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> BucketStore:
    """A store of the same place that tries nothing again, and ends a request within a second."""
    for name in ("TRIES", "PART_TRIES"):
        monkeypatch.setattr(clients, name, 0)
    monkeypatch.setattr(clients, "REQUEST_SECONDS", 0.5)
    monkeypatch.setattr(connection, "TRIES", 0)
    monkeypatch.setattr(connection, "SILENT_SECONDS", 0.5)
    monkeypatch.setattr(dates, "DATE_SECONDS", 0.5)
    monkeypatch.setattr(upload, "PUT_WAITS", ())
    return BucketStore(store.place, cloud.credentials())


def put(store: BucketStore, name: str, content: bytes) -> None:
    with store.create(name) as created:
        for start in range(0, len(content), 4 << 20):
            created.write(content[start : start + (4 << 20)])
        created.commit()


@pytest.mark.parametrize("fault", FAULTS)
def test_every_operation_ends_with_words(
    store: BucketStore, hasty: BucketStore, cloud: Cloud, proxy: BadProxy, fault: str
) -> None:
    proxy.fail_all(FAULTS[fault](cloud))
    operations: dict[str, Callable[[], object]] = {
        "identity": hasty.identity,
        "read": lambda: hasty.read("a/one", 2, 3),
        "size": lambda: hasty.size("a/one"),
        "list": lambda: list(hasty.list("a")),
        "put": lambda: put(hasty, "a/small", b"1"),
        "put parts": lambda: put(hasty, "a/large", CONTENT),
        "replace": lambda: hasty.replace("a/one", b"other"),
        "remove": lambda: hasty.remove("a/one"),
        "remove tree": lambda: hasty.remove_tree("a"),
        "try writing": hasty.try_writing,
    }
    if fault == "gone":
        # An object that is not there is none to remove.
        operations.pop("remove")
    for name, operation in operations.items():
        began = time.monotonic()
        with pytest.raises(RepositoryError, match=r"could not be \w+: ") as raised:
            operation()
        assert raised.value.hint.endswith("."), name
        assert "refused the request" not in str(raised.value), (name, str(raised.value))
        assert time.monotonic() - began < MOST_SECONDS, name
    proxy.faults.clear()
    assert list(store.list("a")) == ["a/one"]
    assert store.read("a/one") == b"0123456789"


def test_an_answer_below_the_least_rate_is_ended(hasty: BucketStore, proxy: BadProxy) -> None:
    proxy.fail("GET", drip, times=9)
    began = time.monotonic()
    for operation in (lambda: hasty.read("a/one", 0, 10), lambda: list(hasty.list("a"))):
        with pytest.raises(RepositoryError, match=r"could not be \w+: ") as raised:
            operation()
        assert raised.value.hint
    assert time.monotonic() - began < MOST_SECONDS


def test_an_answer_that_breaks_off_is_no_content(store: BucketStore, proxy: BadProxy) -> None:
    proxy.fail("GET", cut_answer, times=9)
    for operation in (lambda: store.read("a/one", 0, 10), lambda: list(store.list("a"))):
        with pytest.raises(RepositoryError, match=r"could not be \w+: "):
            operation()


@pytest.mark.parametrize("fault", FAULTS)
def test_parts_that_fail_midway_are_no_object(
    store: BucketStore,
    hasty: BucketStore,
    cloud: Cloud,
    proxy: BadProxy,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy.fail("PUT", after(1, FAULTS[fault](cloud)), times=99, part=cloud.part)
    with pytest.raises(RepositoryError, match=r"large could not be \w+: "):
        put(hasty, "a/large", CONTENT)
    proxy.faults.clear()
    monkeypatch.undo()
    assert list(store.list("a")) == ["a/one"]
    put(store, "a/large", CONTENT)
    assert store.read("a/large") == CONTENT


def list_part(cloud: Cloud) -> str:
    return "comp=list" if cloud is CLOUDS["azure"] else "list-type"


def test_a_list_that_lags_does_no_harm(store: BucketStore, cloud: Cloud, proxy: BadProxy) -> None:
    put(store, "a/b/manifest.json.zst", b"12")
    proxy.fail("GET", Stale(), times=9, part=list_part(cloud))
    assert store.remove_tree("a") == 12
    # Names that are gone are deleted again, which is no fault.
    assert store.remove_tree("a") == 12
    proxy.faults.clear()
    assert store.remove_tree("a") == 0


def test_a_place_is_not_made_twice_though_its_list_lags(cloud: Cloud, proxy: BadProxy) -> None:
    store = cloud.store(proxy.url)
    proxy.fail("GET", Stale(), times=9, part=list_part(cloud))
    store.initialise(IDENTITY)
    with pytest.raises(RepositoryError, match="it exists"):
        store.initialise(Identity("another", FORMAT_VERSION))
    assert store.identity() == IDENTITY
