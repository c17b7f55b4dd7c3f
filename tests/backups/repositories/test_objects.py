"""What does a bucket do that a folder does not: parts, retries, clocks, other people's uploads?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils.timezone import now

from backups.exceptions import RepositoryError
from backups.outbound.addresses import refuse_private_host
from backups.repositories.base import Identity
from backups.repositories.layout import FORMAT_VERSION
from backups.repositories.objects import clients, upload
from backups.repositories.objects.clients import PART_BYTES
from backups.repositories.objects.place import BucketPlace
from backups.repositories.objects.store import BucketStore
from backups.repositories.wrappers import RetryingStore
from tests.backups.repositories.bad_proxy import (
    Action,
    BadProxy,
    add_bytes,
    bad_proxy,
    cut_answer,
    cut_off,
    list_many,
    lose_answer,
    redirect_to,
    refuse,
    reset,
    reset_after,
    say,
    wait,
)
from tests.backups.repositories.object_server import KEYS, calls, moto_address, new_place

IDENTITY = Identity("00000000-0000-0000-0000-000000000007", FORMAT_VERSION)
CONTENT = bytes(range(256)) * 80_000


@pytest.fixture
def proxy() -> Iterator[BadProxy]:
    with bad_proxy(moto_address()) as proxy:
        yield proxy


@pytest.fixture
def place(proxy: BadProxy) -> BucketPlace:
    return new_place(url=proxy.url)


@pytest.fixture
def store(place: BucketPlace, proxy: BadProxy) -> BucketStore:
    store = BucketStore(place, KEYS, IDENTITY.uuid)
    store.initialise(IDENTITY)
    put(store, "a/one", b"0123456789")
    proxy.requests.clear()
    return store


def put(store: BucketStore, name: str, content: bytes) -> None:
    with store.create(name) as created:
        created.write(content)
        created.commit()


def keys_in(place: BucketPlace) -> list[str]:
    found = calls().list_objects_v2(Bucket=place.bucket)
    return [item["Key"] for item in found.get("Contents", ())]


def uploads_in(place: BucketPlace) -> list[str]:
    found = calls().list_multipart_uploads(Bucket=place.bucket)
    return [item["Key"] for item in found.get("Uploads", ())]


def test_everything_is_below_its_prefix(store: BucketStore, place: BucketPlace) -> None:
    put(store, "b", CONTENT)
    assert keys_in(place) == [f"{place.prefix}/{name}" for name in ("a/one", "b", "mooring.json")]


def test_a_bucket_as_a_whole_can_be_one() -> None:
    place = new_place(prefix="")
    store = BucketStore(place, KEYS)
    store.initialise(IDENTITY)
    put(store, "instances/x/one", b"1")
    assert list(store.list("instances/")) == ["instances/x/one"]
    assert (keys_in(place), store.identity()) == (["instances/x/one", "mooring.json"], IDENTITY)


def test_another_repository_in_its_place_is_not_written_to(place: BucketPlace) -> None:
    BucketStore(place, KEYS).initialise(Identity("another", FORMAT_VERSION))
    store = BucketStore(place, KEYS, IDENTITY.uuid)
    for change in (
        lambda: store.create("one"),
        lambda: store.replace("one", b""),
        lambda: store.remove("one"),
        lambda: store.remove_tree("a"),
        store.try_writing,
    ):
        with pytest.raises(RepositoryError, match="holds another repository, another"):
            change()


def test_a_fault_of_the_store_is_survived(store: BucketStore, proxy: BadProxy) -> None:
    proxy.fail("GET", refuse(503, "SlowDown"), times=2)
    assert store.read("a/one", 2, 3) == b"234"
    proxy.fail("PUT", refuse(500, "InternalError"), part="partNumber=2")
    proxy.fail("PUT", cut_off, part="partNumber=1")
    put(store, "a/large", CONTENT)
    assert store.read("a/large") == CONTENT


def test_a_store_that_stays_busy_is_named(store: BucketStore, proxy: BadProxy) -> None:
    proxy.fail("GET", refuse(503, "SlowDown"), times=99)
    with pytest.raises(RepositoryError, match="one could not be read: the store asks to slow") as e:
        store.read("a/one", 0, 1)
    assert e.value.transient
    assert proxy.count("GET") == 1 + clients.TRIES


def test_an_answer_that_breaks_off_is_read_again(store: BucketStore, proxy: BadProxy) -> None:
    proxy.fail("GET", cut_answer, times=2)
    assert RetryingStore(store, lambda _: None).read("a/one", 0, 10) == b"0123456789"


def test_more_bytes_than_requested_are_not_believed(store: BucketStore, proxy: BadProxy) -> None:
    proxy.fail("GET", add_bytes, times=9)
    with pytest.raises(RepositoryError):
        store.read("a/one", 2, 3)


def test_a_lost_response_is_no_second_object(store: BucketStore, proxy: BadProxy) -> None:
    proxy.fail("PUT", lose_answer)
    put(store, "a/two", b"two")
    assert store.read("a/two") == b"two"
    assert proxy.count("PUT") == 2


@pytest.mark.parametrize("action", [reset, reset_after])
def test_a_connection_that_is_reset_is_survived(
    store: BucketStore, proxy: BadProxy, monkeypatch: pytest.MonkeyPatch, action: Action
) -> None:
    monkeypatch.setattr(upload, "PUT_WAITS", (0.0, 0.0, 0.0))
    proxy.fail("PUT", action, times=3)
    put(store, "a/manifest", b"two")
    assert store.read("a/manifest") == b"two"
    proxy.fail("PUT", reset, times=99)
    with pytest.raises(RepositoryError, match="the connection broke off"):
        put(store, "a/another", b"two")


def test_a_lost_response_to_the_last_part_is_no_failure(
    store: BucketStore, place: BucketPlace, proxy: BadProxy
) -> None:
    proxy.fail("POST", lose_answer, part="uploadId")
    put(store, "a/large", CONTENT)
    assert store.read("a/large") == CONTENT
    assert (proxy.count("POST"), uploads_in(place)) == (3, [])


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchUpload"])
def test_parts_that_are_not_joined_are_no_object(
    store: BucketStore, place: BucketPlace, proxy: BadProxy, code: str
) -> None:
    proxy.fail("POST", refuse(403, code), part="uploadId")
    with pytest.raises(RepositoryError, match="large could not be"):
        put(store, "a/large", CONTENT)
    assert not store.exists("a/large")
    assert code == "NoSuchUpload" or uploads_in(place) == []


def test_a_redirect_gives_no_object(store: BucketStore, proxy: BadProxy) -> None:
    proxy.fail("GET", redirect_to("/latest/meta-data/"), times=9)
    with pytest.raises(RepositoryError, match="could not be read"):
        store.read("a/one", 0, 1)


def test_a_silent_store_is_given_up(
    place: BucketPlace, proxy: BadProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "REQUEST_SECONDS", 0.3)
    monkeypatch.setattr(clients, "TRIES", 1)
    proxy.fail("GET", wait(2), times=9)
    with pytest.raises(RepositoryError, match="could not be read: no answer") as raised:
        BucketStore(place, KEYS).identity()
    assert not raised.value.transient


def test_the_difference_of_clocks_is_named(store: BucketStore, proxy: BadProxy) -> None:
    times = (
        "<RequestTime>20261130T080000Z</RequestTime><ServerTime>2026-11-30T08:20:05Z</ServerTime>"
    )
    proxy.fail("GET", refuse(403, "RequestTimeTooSkewed", times))
    with pytest.raises(RepositoryError, match=r"differs from the store's by 1205 s") as raised:
        store.read("a/one", 0, 1)
    assert "clock" in raised.value.hint


def test_its_clock_is_asked_where_the_refusal_has_no_times(
    store: BucketStore, proxy: BadProxy
) -> None:
    proxy.fail("GET", refuse(403, "RequestTimeTooSkewed"))
    with pytest.raises(RepositoryError, match=r"differs from the store's by \d+ s"):
        store.read("a/one", 0, 1)
    assert abs(now() - store.clock()) < timedelta(minutes=1)


def test_a_dropped_upload_leaves_no_parts(store: BucketStore, place: BucketPlace) -> None:
    with pytest.raises(ValueError, match="midway"), store.create("a/large") as upload:
        upload.write(CONTENT)
        assert uploads_in(place) == [f"{place.prefix}/a/large"]
        raise ValueError("midway")
    assert uploads_in(place) == []


def test_an_upload_whose_parts_fail_leaves_none(
    store: BucketStore, place: BucketPlace, proxy: BadProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "PART_TRIES", 0)
    proxy.fail("PUT", refuse(403, "QuotaExceeded"), times=9, part="partNumber")
    with (
        pytest.raises(RepositoryError, match=r"large could not be .*: the quota"),
        store.create("a/large") as upload,
    ):
        upload.write(CONTENT)
        upload.commit()
    assert (store.exists("a/large"), uploads_in(place)) == (False, [])


def test_unfinished_uploads_go_with_their_owner_only(
    store: BucketStore, place: BucketPlace
) -> None:
    begin = [f"{place.prefix}/{name}" for name in ("a/b/dead", "ab/alive", "a/b/done")]
    for key in begin:
        calls().create_multipart_upload(Bucket=place.bucket, Key=key)
    put(store, "a/b/done", b"1")
    assert store.remove("a/b/done") == 1
    assert uploads_in(place) == begin[:2]
    assert store.remove_tree("a/b") == 0
    assert uploads_in(place) == [f"{place.prefix}/ab/alive"]


def test_without_the_right_to_see_uploads_objects_still_go(
    store: BucketStore, proxy: BadProxy, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.fail("GET", refuse(403, "AccessDenied"), part="uploads")
    assert store.remove_tree("a") == 10
    assert "AccessDenied" in caplog.text
    assert "lifecycle rule" in caplog.text


def test_many_objects_go_in_several_requests(
    store: BucketStore, proxy: BadProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"l/{number}" for number in range(7)]
    for name in names:
        put(store, name, b"12")
    monkeypatch.setattr("backups.repositories.objects.store.PAGE", 3)
    proxy.fail("GET", refuse(500, "InternalError"), part="list-type")
    assert list(store.list("l")) == names
    assert store.remove_tree("l") == 14
    assert (list(store.list("l")), proxy.count("POST")) == ([], 3)


def test_100000_objects_are_listed_a_page_at_a_time(
    store: BucketStore, place: BucketPlace, proxy: BadProxy
) -> None:
    proxy.fail("GET", list_many(place.bucket, place.key("l"), 100_000), times=101)
    names = RetryingStore(store).list("l")
    assert next(names) == "l/000000000"
    # Further pages are requested when they are needed: only a few are in memory.
    assert proxy.count("GET") <= 3
    assert (sum(1 for _ in names), proxy.count("GET")) == (99_999, 100)


def test_names_from_elsewhere_are_not_believed(
    store: BucketStore, place: BucketPlace, proxy: BadProxy
) -> None:
    proxy.fail("GET", list_many(place.bucket, "elsewhere", 1))
    with pytest.raises(RepositoryError, match="listed 'elsewhere/000000000'"):
        list(store.list("l"))


def test_folders_of_a_console_are_no_objects(store: BucketStore, place: BucketPlace) -> None:
    put(store, "a-b/two", b"2")
    put(store, "a-b", b"2")
    for marker in ("", "a/", "a-b/"):
        calls().put_object(Bucket=place.bucket, Key=place.key(marker), Body=b"")
    assert "a/one" in list(store.list("a"))
    assert "a-b/two" in list(store.list("a-b"))
    empty = BucketPlace(place.bucket, "new", place.endpoint)
    calls().put_object(Bucket=place.bucket, Key="new/", Body=b"")
    BucketStore(empty, KEYS).initialise(IDENTITY)


@pytest.mark.parametrize("name", ["a//x", "a/../x", "a/x\x01y"])
def test_a_name_that_cannot_be_is_named(store: BucketStore, place: BucketPlace, name: str) -> None:
    calls().put_object(Bucket=place.bucket, Key=place.key(name), Body=b"")
    with pytest.raises(RepositoryError, match="has a name that no repository has") as raised:
        list(store.list("a"))
    assert not raised.value.transient


def test_an_address_that_is_not_allowed_is_not_connected_to(
    place: BucketPlace, proxy: BadProxy
) -> None:
    def refuse_host(host: str, port: int) -> None:
        assert (host, port) == ("127.0.0.1", proxy.port)
        raise OSError("127.0.0.1 is not a public address: allow its network")

    store = BucketStore(place, KEYS, IDENTITY.uuid, refuse_host)
    for ask in (store.identity, store.clock, store.try_writing, lambda: store.create("x")):
        with pytest.raises(RepositoryError, match="is not a public address"):
            ask()
    assert proxy.requests == []


@pytest.mark.parametrize("host", ["under_score.localhost", f"{'x' * 64}.example.org"])
def test_a_host_that_cannot_be_is_named(host: str) -> None:
    store = BucketStore(BucketPlace("backups", endpoint=f"https://{host}:1"), KEYS)
    for ask in (store.clock, store.try_writing):
        with pytest.raises(RepositoryError, match=r"could not be|cannot be used"):
            ask()


def test_a_name_that_cannot_be_looked_up_is_named() -> None:
    place = BucketPlace("backups", endpoint=f"https://{'x' * 64}.example.org")
    with pytest.raises(RepositoryError, match="is not found"):
        BucketStore(place, KEYS, "", refuse_private_host).identity()


def test_what_is_no_object_store_is_named(store: BucketStore, proxy: BadProxy) -> None:
    proxy.fail("POST", say("<html>s3cret page</html>"), times=9)
    with pytest.raises(RepositoryError, match="is no object store") as raised:
        store.try_writing()
    assert "s3cret" not in str(raised.value)


def test_what_is_sent_in_parts_is_bounded() -> None:
    """Both packs that are on the way at a time."""
    assert 2 * (clients.PARTS_AT_ONCE + 2) * PART_BYTES <= 128 << 20


def test_class_and_encryption_are_sent() -> None:
    from dataclasses import replace

    place = replace(new_place(), storage_class="STANDARD_IA", encryption="AES256")
    store = BucketStore(place, KEYS)
    store.initialise(IDENTITY)
    put(store, "large", CONTENT)
    store.try_writing()
    for name in ("mooring.json", "large"):
        found = calls().head_object(Bucket=place.bucket, Key=place.key(name))
        assert (found["StorageClass"], found["ServerSideEncryption"]) == ("STANDARD_IA", "AES256")
