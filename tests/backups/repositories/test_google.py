"""What does a bucket of Google do that one of S3 does not: tokens, roles, classes, conditions?"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from backups.exceptions import BadInput, RepositoryError
from backups.models import Repository
from backups.repositories.base import Identity
from backups.repositories.layout import FORMAT_VERSION
from backups.repositories.objects.google.place import GooglePlace
from backups.repositories.objects.google.tokens import AccountTokens, GoogleRole
from backups.repositories.objects.places import place_at, refuse_unusable
from backups.repositories.objects.secret_texts import StoredText
from backups.repositories.objects.store import BucketStore
from tests.backups.repositories.bad_proxy import BadProxy, bad_proxy, lose_answer, refuse
from tests.backups.repositories.google_server import (
    EMAIL,
    TOKEN,
    GoogleHandler,
    account_tokens,
    google_address,
    new_google_place,
    service_account,
)

IDENTITY = Identity("00000000-0000-0000-0000-000000000007", FORMAT_VERSION)
CONTENT = bytes(range(256)) * 80_000


@pytest.fixture
def proxy() -> Iterator[BadProxy]:
    with bad_proxy(google_address()) as proxy:
        yield proxy


@pytest.fixture
def place(proxy: BadProxy) -> GooglePlace:
    return new_google_place(url=proxy.url)


@pytest.fixture
def store(place: GooglePlace, proxy: BadProxy) -> BucketStore:
    store = BucketStore(place, account_tokens(), IDENTITY.uuid)
    store.initialise(IDENTITY)
    proxy.requests.clear()
    return store


def put(store: BucketStore, name: str, content: bytes) -> None:
    with store.create(name) as created:
        created.write(content)
        created.commit()


def test_an_address_names_bucket_and_prefix() -> None:
    assert place_at("gs://backups/fleet/") == GooglePlace("backups", "fleet")
    assert place_at("gs://backups").server == ("storage.googleapis.com", 443)
    for address in ("gs://", "gs://B", "gs://backups/../x", "gcs://backups"):
        with pytest.raises(BadInput):
            place_at(address)
    with pytest.raises(BadInput, match="not in the host name"):
        refuse_unusable(GooglePlace("backups", "", "https://example.org", True))
    Repository(name="offsite", kind="gcs", path="gs://backups", storage_class="NEARLINE").clean()


def test_a_lost_response_is_no_second_object(store: BucketStore, proxy: BadProxy) -> None:
    proxy.fail("PUT", lose_answer)
    put(store, "a/manifest", b"two")
    assert store.read("a/manifest") == b"two"
    proxy.fail("POST", lose_answer, part="uploadId")
    put(store, "a/large", CONTENT)
    assert store.read("a/large") == CONTENT


def test_a_dropped_upload_leaves_no_parts(store: BucketStore, proxy: BadProxy) -> None:
    with pytest.raises(ValueError, match="midway"), store.create("a/large") as upload:
        upload.write(CONTENT)
        raise ValueError("midway")
    assert [path for method, path in proxy.requests if method == "DELETE"]
    assert list(store.list("a")) == []


def test_the_class_is_sent_with_every_object(place: GooglePlace) -> None:
    store = BucketStore(replace(place, storage_class="NEARLINE"), account_tokens())
    GoogleHandler.classes.clear()
    store.initialise(IDENTITY)
    put(store, "large", CONTENT)
    store.try_writing()
    store.replace("small", b"1")
    # Of the last request of an upload it is not sent: the first has named it.
    assert GoogleHandler.classes.count("NEARLINE") == 4
    wrong = BucketStore(replace(place, storage_class="NEARBY"), account_tokens())
    with pytest.raises(RepositoryError, match="does not know a setting, as the storage class"):
        wrong.try_writing()


def test_a_key_of_another_is_named(place: GooglePlace) -> None:
    other = {**json.loads(service_account()), "client_email": "else@tests.example.org"}
    store = BucketStore(place, AccountTokens(StoredText(lambda: json.dumps(other))))
    for ask in (store.identity, lambda: store.initialise(IDENTITY), store.try_writing):
        with pytest.raises(RepositoryError, match="does not know the service account"):
            ask()


def test_a_bucket_that_is_not_there_is_named(place: GooglePlace) -> None:
    store = BucketStore(replace(place, bucket="none-of-that-name"), account_tokens())
    for ask in (store.identity, lambda: store.initialise(IDENTITY), store.try_writing):
        with pytest.raises(RepositoryError, match="there is no such bucket"):
            ask()


@pytest.mark.parametrize(
    "text",
    [
        "s3cret",
        '["s3cret"]',
        '{"type": "external_account", "token_url": "http://s3cret/"}',
        '{"type": "service_account", "private_key": "s3cret"}',
        '{"type": "service_account", "private_key": "s3cret", "client_email": "a", "token_uri":""}',
    ],
)
def test_a_secret_that_is_no_key_is_named_and_not_shown(place: GooglePlace, text: str) -> None:
    with pytest.raises(RepositoryError, match=r"of (a|the) service account") as raised:
        BucketStore(place, AccountTokens(StoredText(lambda: text))).identity()
    assert "s3cret" not in f"{raised.value} {raised.value.hint}"


def test_what_the_environment_says_is_for_others(
    place: GooglePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in [
        ("BEARER_TOKEN", "another"),
        ("SERVICE_ACCOUNT_KEY", service_account().replace(EMAIL, "else@tests.example.org")),
        ("BASE_URL", "http://127.0.0.1:1"),
        ("SKIP_SIGNATURE", "true"),
        ("BUCKET", "another"),
    ]:
        monkeypatch.setenv(f"GOOGLE_{name}", value)
    BucketStore(place, account_tokens()).initialise(IDENTITY)


def test_a_policy_that_forbids_deletion_is_named(store: BucketStore, proxy: BadProxy) -> None:
    put(store, "a", b"1")
    proxy.fail("DELETE", refuse(403, "RetentionPolicyNotMet"))
    with pytest.raises(RepositoryError, match="could not be deleted: a retention policy"):
        store.remove("a")


class _Service(BaseHTTPRequestHandler):
    """The metadata service of a host with a service account."""

    asked: list[str]
    status = 200

    def do_GET(self) -> None:
        self.asked.append(self.path)
        known = {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
        content = json.dumps({**known, "email": "e@x", "scopes": ["s"], "aliases": []}).encode()
        if "universe" in self.path:
            content = b"googleapis.com"
        self.send_response(self.status)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Be silent."""


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Service]]:
    _Service.asked, _Service.status = [], 200
    server = HTTPServer(("127.0.0.1", 0), _Service)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    # Read from the environment when the library is loaded.
    host = f"127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr("google.auth.compute_engine._metadata._GCE_METADATA_HOST", host)
    yield _Service
    server.shutdown()
    server.server_close()


def test_the_role_of_the_host_opens_a_bucket(place: GooglePlace, metadata: type[_Service]) -> None:
    role = GoogleRole()
    store = BucketStore(place, role)
    store.initialise(IDENTITY)
    put(store, "large", CONTENT)
    assert store.identity() == IDENTITY
    assert sum("/token" in path for path in metadata.asked) == 1


def test_a_role_that_gives_no_token_is_named(place: GooglePlace, metadata: type[_Service]) -> None:
    metadata.status = 404
    with pytest.raises(RepositoryError, match="the role of this host gave no credentials") as e:
        BucketStore(place, GoogleRole()).identity()
    assert e.value.transient
