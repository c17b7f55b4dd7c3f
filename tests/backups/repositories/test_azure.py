"""What does a container of Azure do that a bucket of S3 does not: blocks, tiers, tokens, roles?"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from backups.exceptions import RepositoryError
from backups.repositories.base import Identity
from backups.repositories.layout import FORMAT_VERSION
from backups.repositories.objects.azure.connection import AzureRole
from backups.repositories.objects.azure.place import AzurePlace
from backups.repositories.objects.azure.secrets import credential_of
from backups.repositories.objects.secret_texts import EnvironmentText, FileText, StoredText
from backups.repositories.objects.store import BucketStore
from backups.repositories.wrappers import RetryingStore
from tests.backups.repositories.azure_server import (
    ACCOUNT_KEY,
    AZURE_SECRET,
    SIGNATURE,
    TOKEN,
    Blob,
    azure_address,
    azure_container,
    new_azure_place,
)
from tests.backups.repositories.bad_proxy import (
    BadHandler,
    BadProxy,
    bad_proxy,
    lose_answer,
    refuse,
    say_time,
)

IDENTITY = Identity("00000000-0000-0000-0000-000000000007", FORMAT_VERSION)
CONTENT = bytes(range(256)) * 80_000


def sas(ends: datetime) -> str:
    return f"?sv=2022-11-02&sp=racwdl&se={quote(ends.isoformat())}&sig={quote(SIGNATURE)}"


@pytest.fixture
def proxy() -> Iterator[BadProxy]:
    with bad_proxy(azure_address()) as proxy:
        yield proxy


@pytest.fixture
def place(proxy: BadProxy) -> AzurePlace:
    return new_azure_place(url=proxy.url)


@pytest.fixture
def store(place: AzurePlace, proxy: BadProxy) -> BucketStore:
    store = BucketStore(place, AZURE_SECRET, IDENTITY.uuid)
    store.initialise(IDENTITY)
    put(store, "a/one", b"0123456789")
    proxy.requests.clear()
    return store


def put(store: BucketStore, name: str, content: bytes) -> None:
    with store.create(name) as created:
        created.write(content)
        created.commit()


def test_a_large_object_goes_in_blocks_that_show_only_when_joined(
    store: BucketStore, place: AzurePlace, proxy: BadProxy
) -> None:
    with store.create("a/large") as upload:
        upload.write(CONTENT)
        assert list(store.list("a")) == ["a/one"]
        upload.commit()
    assert store.read("a/large") == CONTENT
    assert sum("comp=block&" in path for _, path in proxy.requests) == 3
    assert azure_container(place.bucket).blocks == {}


def test_a_lost_response_to_the_last_request_is_no_failure(
    store: BucketStore, proxy: BadProxy
) -> None:
    proxy.fail("PUT", lose_answer, part="comp=blocklist")
    put(store, "a/large", CONTENT)
    assert store.read("a/large") == CONTENT


def test_blocks_that_are_gone_are_no_object(
    store: BucketStore, place: AzurePlace, proxy: BadProxy
) -> None:
    with (
        pytest.raises(RepositoryError, match="No such object"),
        store.create("a/large") as upload,
    ):
        upload.write(CONTENT)
        proxy.fail("PUT", refuse(400, "InvalidBlockList"), part="comp=blocklist")
        upload.commit()
    assert not store.exists("a/large")


def test_the_tier_is_sent_with_every_object(place: AzurePlace) -> None:
    store = BucketStore(replace(place, storage_class="Cool"), AZURE_SECRET)
    store.initialise(IDENTITY)
    put(store, "large", CONTENT)
    store.try_writing()
    store.replace("small", b"1")
    assert {b.tier for b in azure_container(place.bucket).blobs.values()} == {"Cool"}


def test_a_tier_that_is_none_is_named_when_writing_is_tried(place: AzurePlace) -> None:
    store = BucketStore(replace(place, storage_class="Lukewarm"), AZURE_SECRET)
    with pytest.raises(RepositoryError, match=r"could not be written: .* access tier") as raised:
        store.try_writing()
    assert raised.value.hint


def test_an_archived_object_is_named(store: BucketStore, place: AzurePlace) -> None:
    azure_container(place.bucket).blobs[place.key("a/one")] = Blob(b"0123456789", "Archive")
    with pytest.raises(RepositoryError, match="in the archive tier") as raised:
        store.read("a/one", 0, 3)
    assert not raised.value.transient


@pytest.mark.parametrize("secret", ["d3Jvbmc=", f"sv=1&sig={quote('d3Jvbmc=')}"])
def test_a_wrong_key_or_token_is_named(place: AzurePlace, secret: str) -> None:
    store = BucketStore(place, StoredText(lambda: secret))
    for ask in (store.identity, lambda: store.initialise(IDENTITY), store.try_writing):
        with pytest.raises(RepositoryError, match="does not fit the account, or has expired") as e:
            ask()
        assert secret not in str(e.value)


def test_a_container_that_is_not_there_is_named(place: AzurePlace) -> None:
    store = BucketStore(replace(place, bucket="none-of-that-name"), AZURE_SECRET)
    for ask in (store.identity, lambda: store.initialise(IDENTITY), store.try_writing):
        with pytest.raises(RepositoryError, match="there is no such bucket"):
            ask()


def test_a_signature_refused_by_a_wrong_clock_is_named(store: BucketStore, proxy: BadProxy) -> None:
    proxy.fail("GET", refuse(403, "AuthenticationFailed"))
    proxy.fail("HEAD", say_time(datetime.now(UTC) + timedelta(minutes=20)))
    with pytest.raises(RepositoryError, match=r"differs from the store's by (1200|1199) s"):
        store.read("a/one", 0, 1)


def test_a_token_opens_a_container_until_it_ends(place: AzurePlace) -> None:
    text = sas(datetime.now(UTC) + timedelta(hours=1))
    store = BucketStore(place, StoredText(lambda: text))
    store.initialise(IDENTITY)
    put(store, "large", CONTENT)
    assert store.remove_tree("large") == 0
    assert store.remove("large") == len(CONTENT)
    text = sas(datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
    with pytest.raises(RepositoryError, match="the SAS token has expired at 2026-01-02 03:04Z"):
        BucketStore(place, StoredText(lambda: text)).identity()


def test_a_token_that_ends_during_an_upload_is_named(place: AzurePlace) -> None:
    times = iter([timedelta(minutes=1), timedelta(minutes=-1)])
    last = timedelta(minutes=-1)
    store = BucketStore(place, StoredText(lambda: sas(datetime.now(UTC) + next(times, last))))
    with pytest.raises(RepositoryError, match="the credentials have expired"):
        store.initialise(IDENTITY)
    assert azure_container(place.bucket).blobs == {}


@pytest.mark.parametrize("text", ["s3cret", "AccountName=x;AccountKey=eA==", "se=soon&sig=x"])
def test_a_secret_that_is_none_is_named_and_not_shown(text: str) -> None:
    with pytest.raises(RepositoryError) as raised:
        credential_of(text)
    assert text not in f"{raised.value} {raised.value.hint}"


def test_the_key_of_the_environment_or_a_file(
    place: AzurePlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RepositoryError, match="the environment has no OFFSITE_KEY"):
        BucketStore(place, EnvironmentText("OFFSITE_KEY")).identity()
    monkeypatch.setenv("OFFSITE_KEY", ACCOUNT_KEY)
    BucketStore(place, EnvironmentText("OFFSITE_KEY")).initialise(IDENTITY)
    path = tmp_path / "key"
    path.touch(0o600)
    with pytest.raises(RepositoryError, match="is empty"):
        BucketStore(place, FileText(path)).identity()
    path.write_text(f"{ACCOUNT_KEY}\n")
    assert BucketStore(place, FileText(path)).identity() == IDENTITY
    path.chmod(0o644)
    with pytest.raises(RepositoryError, match="others can read it"):
        BucketStore(place, FileText(path)).identity()


def test_what_the_environment_says_is_for_others(
    place: AzurePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in [("ACCOUNT_NAME", "other"), ("SAS_TOKEN", "sig=x"), ("ACCOUNT_KEY", "eA==")]:
        monkeypatch.setenv(f"AZURE_STORAGE_{name}", value)
    for name in ("AZURE_STORAGE_USE_EMULATOR", "AZURE_SKIP_SIGNATURE", "AZURE_USE_AZURE_CLI"):
        monkeypatch.setenv(name, "true")
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", "http://127.0.0.1:1")
    BucketStore(place, AZURE_SECRET).initialise(IDENTITY)
    monkeypatch.setenv("AZURE_ENCRYPTION_KEY", "AAAA")
    with pytest.raises(RepositoryError, match=r"AZURE_ENCRYPTION_KEY: .* in another way"):
        BucketStore(place, AZURE_SECRET).identity()


def test_an_address_that_is_not_allowed_is_not_connected_to(
    place: AzurePlace, proxy: BadProxy
) -> None:
    def refuse_host(host: str, port: int) -> None:
        assert (host, port) == ("127.0.0.1", proxy.port)
        raise OSError("127.0.0.1 is not a public address: allow its network")

    store = BucketStore(place, AZURE_SECRET, IDENTITY.uuid, refuse_host)
    for ask in (store.identity, store.clock, store.try_writing, lambda: store.create("x")):
        with pytest.raises(RepositoryError, match="is not a public address"):
            ask()
    assert proxy.requests == []


def test_an_object_that_another_process_deletes_is_no_fault(
    store: BucketStore, place: AzurePlace, proxy: BadProxy
) -> None:
    put(store, "a/two", b"2")

    def delete_before(handler: BadHandler, body: bytes) -> None:
        azure_container(place.bucket).blobs.pop(place.key("a/one"))
        handler.answer(*handler.ask(body))

    proxy.fail("POST", delete_before, part="comp=batch")
    assert store.remove_tree("a") == 11
    assert list(store.list("a")) == []


def test_what_may_not_be_deleted_is_named(store: BucketStore, proxy: BadProxy) -> None:
    part = "--r\r\nContent-ID: 0\r\n\r\nHTTP/1.1 403 Forbidden\r\n\r\n\r\n--r--\r\n"

    def forbid(handler: BadHandler, body: bytes) -> None:
        handler.send_response(202)
        handler.send_header("Content-Type", "multipart/mixed; boundary=r")
        handler.send_header("Content-Length", str(len(part)))
        handler.end_headers()
        handler.wfile.write(part.encode())

    proxy.fail("POST", forbid, part="comp=batch")
    with pytest.raises(RepositoryError, match="could not be deleted: access is denied"):
        store.remove("a/one")


def test_100000_objects_are_listed_a_page_at_a_time(
    store: BucketStore, place: AzurePlace, proxy: BadProxy
) -> None:
    azure_container(place.bucket).blobs |= {
        place.key(f"l/{number:09}"): Blob(b"") for number in range(100_000)
    }
    names = RetryingStore(store).list("l")
    assert next(names) == "l/000000000"
    assert proxy.count("GET") <= 3
    assert (sum(1 for _ in names), proxy.count("GET")) == (99_999, 20)


class _Tokens(BaseHTTPRequestHandler):
    """The metadata service of a host, and what a pod changes its token at."""

    asked: list[str]
    status = 200

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append(self.path + body.decode())
        ends = int(time.time()) + 86_400
        token = {"access_token": TOKEN, "expires_on": str(ends), "expires_in": 86_400}
        content = json.dumps({**token, "token_type": "Bearer", "resource": ""}).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer

    def log_message(self, format: str, *args: object) -> None:
        """Be silent."""


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Tokens]]:
    _Tokens.asked, _Tokens.status = [], 200
    server = HTTPServer(("127.0.0.1", 0), _Tokens)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("AZURE_MSI_ENDPOINT", f"{url}/identity")
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", url)
    # Those of the environment are for others.
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "eA==")
    yield _Tokens
    server.shutdown()
    server.server_close()


def test_a_managed_identity_opens_a_container(place: AzurePlace, tokens: type[_Tokens]) -> None:
    store = BucketStore(place, AzureRole("one-of-two"))
    store.initialise(IDENTITY)
    assert store.identity() == IDENTITY
    assert len(tokens.asked) == 1
    assert "client_id=one-of-two" in tokens.asked[0]


def test_the_workload_identity_of_a_pod_opens_a_container(
    place: AzurePlace, tokens: type[_Tokens], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "token"
    path.write_text("of-the-pod")
    for name, value in [
        ("CLIENT_ID", "c"),
        ("TENANT_ID", "tenant"),
        ("FEDERATED_TOKEN_FILE", path),
    ]:
        monkeypatch.setenv(f"AZURE_{name}", str(value))
    BucketStore(place, AzureRole()).initialise(IDENTITY)
    assert tokens.asked[0].startswith("/tenant/oauth2/v2.0/token")
    assert "client_assertion=of-the-pod" in tokens.asked[0]


def test_an_identity_that_gives_no_token_is_named(place: AzurePlace, tokens: type[_Tokens]) -> None:
    tokens.status = 400
    with pytest.raises(RepositoryError, match="the role of this host gave no credentials"):
        BucketStore(place, AzureRole()).identity()
