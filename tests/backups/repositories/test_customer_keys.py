"""Does every request for an object have the customer's key, and nothing else ever show it?"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace

import pytest

from backups.exceptions import BadInput
from backups.repositories.base import Identity
from backups.repositories.layout import FORMAT_VERSION
from backups.repositories.objects.clients import PART_BYTES
from backups.repositories.objects.locked_store import LockedBucketStore
from backups.repositories.objects.place import (
    CUSTOMER,
    BucketPlace,
    normal_customer_key,
    refuse_odd,
)
from backups.repositories.objects.versions import list_versions, read_version, recover_version
from tests.backups.repositories.bad_proxy import BadProxy, bad_proxy
from tests.backups.repositories.object_server import KEYS, moto_address, new_locked_place
from tests.backups.repositories.test_locks import LOCK

IDENTITY = Identity("00000000-0000-0000-0000-000000000007", FORMAT_VERSION)
CUSTOMER_KEY = base64.b64encode(bytes(range(32))).decode()
HEADER = "x-amz-server-side-encryption-customer-key"


@pytest.fixture
def proxy() -> Iterator[BadProxy]:
    with bad_proxy(moto_address()) as proxy:
        yield proxy


@pytest.fixture
def place(proxy: BadProxy) -> BucketPlace:
    place = replace(new_locked_place(), endpoint=proxy.url)
    return replace(place, encryption=CUSTOMER, customer_key=CUSTOMER_KEY)


def test_each_request_for_an_object_has_the_key(place: BucketPlace, proxy: BadProxy) -> None:
    store = LockedBucketStore(place, KEYS, LOCK)
    store.initialise(IDENTITY)
    store.try_writing()
    for name, content in (("a/small", b"small"), ("a/large", b"x" * (2 * PART_BYTES))):
        with store.create(name) as upload:
            upload.write(content)
            upload.commit()
        assert store.read(name) == content
    store.replace("a/small", b"other")
    versions = list_versions(store.locks.connection, "a/small")["a/small"]
    assert read_version(store.locks.connection, "a/small", versions[-1].version, 9) == b"small"
    recover_version(store.locks.connection, "a/small", versions, versions[-1].version)
    without = [
        (method, path)
        for method, path, headers in proxy.seen
        if "/a/" in path
        and not any(word in path for word in ("retention", "uploads=", "versions", "list-type"))
        and not (method == "POST" and "uploadId" in path)
        and headers.get(HEADER) != CUSTOMER_KEY
    ]
    assert without == []
    copied = [headers for _, _, headers in proxy.seen if "x-amz-copy-source" in headers]
    assert len(copied) == 1
    assert copied[0]["x-amz-copy-source-server-side-encryption-customer-key"] == CUSTOMER_KEY


def test_no_key_is_shown(place: BucketPlace) -> None:
    assert CUSTOMER_KEY not in repr(place)
    assert CUSTOMER_KEY not in place.shown


@pytest.mark.parametrize(
    "text", ["x", "AAAA", CUSTOMER_KEY[:-4], CUSTOMER_KEY + "AAAA", "ä" * 44, "="]
)
def test_a_key_of_another_length_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(BadInput, match=r"^the customer key is not 32 bytes in base64$"):
        normal_customer_key(text)


@pytest.mark.parametrize(
    "place",
    [BucketPlace("b", encryption=CUSTOMER), BucketPlace("b", customer_key=CUSTOMER_KEY)],
)
def test_a_key_and_its_encryption_belong_together(place: BucketPlace) -> None:
    with pytest.raises(BadInput, match="needs a customer key, and no other uses one"):
        refuse_odd(place)


def test_a_key_without_spaces_and_lines_is_stored() -> None:
    assert normal_customer_key(f" {CUSTOMER_KEY[:20]}\n{CUSTOMER_KEY[20:]}\n") == CUSTOMER_KEY
    assert normal_customer_key("") == ""
