"""Which buckets, endpoints and credentials are accepted?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backups.exceptions import BadInput, KeyUnavailable, RepositoryError
from backups.repositories.objects.credentials import (
    EnvironmentKeys,
    KeyPair,
    KeysFile,
    StoredKeys,
)
from backups.repositories.objects.place import (
    BucketPlace,
    normal_endpoint,
    refuse_odd,
    split_address,
)
from backups.repositories.objects.store import BucketStore


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("s3://backups", ("backups", "")),
        ("s3://backups/", ("backups", "")),
        ("s3://backups/mysql/fleet-1/", ("backups", "mysql/fleet-1")),
    ],
)
def test_an_address_names_bucket_and_prefix(address: str, parts: tuple[str, str]) -> None:
    assert split_address(address) == parts
    assert BucketPlace(*parts).address == address.rstrip("/")


@pytest.mark.parametrize(
    "address",
    ["s3://", "s3:///x", "gs://b/x", "s3://b/../x", "s3://bucket/a//b", "s3://bucket/a b",
     "s3://bucket/ä", "s3://-bucket", "s3://bucket/a?b"],
)  # fmt: skip
def test_an_address_that_cannot_be_is_refused(address: str) -> None:
    with pytest.raises(BadInput):
        split_address(address)


@pytest.mark.parametrize(
    ("endpoint", "normal"),
    [
        ("", ""),
        ("https://s3.example.org/", "https://s3.example.org"),
        ("https://s3.example.org:9000", "https://s3.example.org:9000"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("http://localhost:9000", "http://localhost:9000"),
    ],
)
def test_an_endpoint(endpoint: str, normal: str) -> None:
    assert normal_endpoint(endpoint) == normal


@pytest.mark.parametrize(
    "endpoint",
    ["s3.example.org", "http://s3.example.org", "https://u:p@s3.example.org", "ftp://x",
     "https://s3.example.org/bucket", "https://s3.example.org?x=1", "https://x:y"],
)  # fmt: skip
def test_an_endpoint_that_cannot_be_is_refused(endpoint: str) -> None:
    with pytest.raises(BadInput) as raised:
        normal_endpoint(endpoint)
    assert "u:p" not in str(raised.value)


def test_requests_go_to_the_region_where_no_endpoint_is_named() -> None:
    place = BucketPlace("backups", region="eu-central-1")
    assert place.server == ("backups.s3.eu-central-1.amazonaws.com", 443)
    assert place.bucket_in_host
    assert not BucketPlace("with.dots").bucket_in_host
    assert BucketPlace("With_old_name").server == ("s3.us-east-1.amazonaws.com", 443)


def test_the_host_that_is_checked_is_the_one_connected_to() -> None:
    asked: list[tuple[str, int]] = []

    def refuse_host(host: str, port: int) -> None:
        asked.append((host, port))
        raise OSError("it is not a public address")

    place = BucketPlace("inner", endpoint="https://example.org:9000", virtual_host=True)
    with pytest.raises(RepositoryError, match="not a public address"):
        BucketStore(place, StoredKeys("id", lambda: "s3cret"), "", refuse_host).identity()
    assert asked == [("inner.example.org", 9000)]


@pytest.mark.parametrize(
    "place",
    [
        BucketPlace("b", storage_class="GLACIER"),
        BucketPlace("b", storage_class="deep_archive"),
        BucketPlace("b", storage_class="a b"),
        BucketPlace("b", region=""),
        BucketPlace("b", kms_key="k"),
        BucketPlace("b", ca_file="ca.pem"),
        BucketPlace("b", endpoint="http://localhost:9000", virtual_host=True),
        BucketPlace("b_c", endpoint="https://s3.example.org", virtual_host=True),
        BucketPlace("b.c", endpoint="https://s3.example.org", virtual_host=True),
    ],
)
def test_settings_that_no_backup_survives_are_refused(place: BucketPlace) -> None:
    with pytest.raises(BadInput):
        refuse_odd(place)


def test_stored_keys_are_decrypted_when_they_are_used() -> None:
    def locked() -> str:
        raise KeyUnavailable("cannot be decrypted", hint="Add the key.")

    assert StoredKeys("id", lambda: "s3cret").load() == KeyPair("id", "s3cret")
    with pytest.raises(RepositoryError, match="cannot be decrypted"):
        StoredKeys("id", locked).load()
    with pytest.raises(RepositoryError, match="no key pair is stored"):
        StoredKeys("id", lambda: "").load()


def test_keys_of_the_environment_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RepositoryError, match="has no OFFSITE_ACCESS_KEY_ID"):
        EnvironmentKeys("OFFSITE").load()
    for name, value in [("ACCESS_KEY_ID", "id"), ("SECRET_ACCESS_KEY", "s"), ("SESSION_TOKEN", "")]:
        monkeypatch.setenv(f"OFFSITE_{name}", value)
    assert EnvironmentKeys("OFFSITE").load() == KeyPair("id", "s", None)


def test_keys_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    path.write_text("[other]\naws_access_key_id = x\n[default]\naws_access_key_id = id\n")
    path.chmod(0o600)
    with pytest.raises(RepositoryError, match="has no key pair"):
        KeysFile(path).load()
    path.write_text("[default]\naws_access_key_id = id\naws_secret_access_key = s%3/=\n")
    found = KeysFile(path).load()
    assert (found.access_key_id, found.secret_access_key) == ("id", "s%3/=")
    assert found.read_again_at is not None
    path.chmod(0o640)
    with pytest.raises(RepositoryError, match="others can read it"):
        KeysFile(path).load()
    with pytest.raises(RepositoryError, match="cannot be read: No such file"):
        KeysFile(tmp_path / "none").load()


def test_a_line_of_a_broken_file_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    path.write_text("s3cret line\n")
    path.chmod(0o600)
    with pytest.raises(RepositoryError) as raised:
        KeysFile(path).load()
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "large"])
def test_a_file_that_is_something_else_is_not_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    match kind:
        case "pipe":
            os.mkfifo(path, 0o600)
        case "device":
            path = Path("/dev/zero")
        case "folder":
            path.mkdir()
        case "large":
            path.touch(0o600)
            os.truncate(path, 2 << 20)
    place = BucketPlace("backups", endpoint="https://127.0.0.1:1", ca_file=str(path))
    store = BucketStore(place, StoredKeys("id", lambda: "s3cret"))
    for ask in (KeysFile(path).load, store.identity, store.clock):
        with pytest.raises(RepositoryError, match=r"file .* cannot be read: "):
            ask()


def test_no_secret_is_in_what_is_printed() -> None:
    printed = f"{KeyPair('id', 's3cret', 't0ken')!r} {StoredKeys('id', lambda: 's3cret')!r}"
    assert "s3cret" not in printed
    assert "t0ken" not in printed
