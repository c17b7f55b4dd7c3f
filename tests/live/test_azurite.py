"""Does a store of Azure that checks keys do what a repository needs? Microsoft's emulator.

The whole contract of a store runs here too, and the faults of a network before it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from backups.exceptions import RepositoryError
from backups.repositories.base import ObjectStore
from backups.repositories.objects.azure.place import AzurePlace
from backups.repositories.objects.secret_texts import StoredText
from backups.repositories.objects.store import BucketStore
from backups.repositories.wrappers import RetryingStore
from tests.backups.repositories.azure_server import ACCOUNT, ACCOUNT_KEY, AZURE_SECRET
from tests.backups.repositories.bad_proxy import BadProxy, bad_proxy, cut_off, lose_answer, refuse

# Collected here, with the place of this module.
from tests.backups.repositories.test_contract import (  # noqa: F401
    IDENTITY,
    put,
    store,
    test_a_folder_with_something_in_it_is_held,
    test_a_large_object_comes_and_goes_in_pieces,
    test_a_name_that_leads_out_is_refused,
    test_a_newer_repository_has_a_hint,
    test_a_place_that_was_never_made_one_is_no_repository,
    test_a_small_object_can_be_replaced,
    test_a_tree_outside_is_neither_listed_nor_removed,
    test_an_identity_it_cannot_read_is_refused,
    test_an_object_that_is_not_there_is_named,
    test_an_object_that_is_there_is_never_overwritten,
    test_it_is_not_made_twice,
    test_it_says_how_much_fits_or_that_nobody_knows,
    test_it_says_who_it_is,
    test_its_clock_leaves_nothing_behind,
    test_names_are_listed_in_order_below_their_prefix,
    test_nothing_is_there_before_the_commit,
    test_reading_past_the_end_is_an_error,
    test_removing_a_tree_frees_its_bytes_and_no_others,
    test_removing_an_object_frees_its_bytes_and_no_others,
    test_what_was_put_comes_back,
    test_without_a_commit_nothing_is_left,
    test_writing_is_tried_without_a_trace,
)
from tests.live.azurite import PrivateAzurite, private_azurite

pytestmark = pytest.mark.live

CONTENT = bytes(range(256)) * 80_000
# Writes an object in blocks and is killed before it is whole.
VICTIM = """
import sys, time
from backups.repositories.objects.azure.place import AzurePlace
from backups.repositories.objects.secret_texts import StoredText
from backups.repositories.objects.store import BucketStore
container, url, account, key = sys.argv[1:]
store = BucketStore(AzurePlace(container, "db", url, account=account), StoredText(lambda: key))
upload = store.create("a/large")
upload.write(b"x" * (20 << 20))
print("written", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateAzurite]:
    with private_azurite(tmp_path_factory.mktemp("azurite")) as azurite:
        yield azurite


@pytest.fixture
def proxy(azurite: PrivateAzurite) -> Iterator[BadProxy]:
    with bad_proxy(azurite.address) as proxy:
        yield proxy


@pytest.fixture
def container(azurite: PrivateAzurite, proxy: BadProxy) -> AzurePlace:
    return azurite.new_place(proxy.url)


@pytest.fixture
def place(container: AzurePlace) -> ObjectStore:
    return RetryingStore(BucketStore(container, AZURE_SECRET))


def account_sas(ends: datetime) -> str:
    """Return a token for everything in the account's containers, as its owner makes one."""
    words = {"sp": "rwdlac", "ss": "b", "srt": "sco", "st": "", "se": f"{ends:%Y-%m-%dT%H:%M:%SZ}"}
    words |= {"sip": "", "spr": "https,http", "sv": "2022-11-02", "ses": ""}
    text = "\n".join([ACCOUNT, *words.values()]) + "\n"
    key = base64.b64decode(ACCOUNT_KEY)
    signed = base64.b64encode(hmac.digest(key, text.encode(), hashlib.sha256)).decode()
    pairs = "&".join(f"{name}={quote(value)}" for name, value in words.items() if value)
    return f"?{pairs}&sig={quote(signed, safe='')}"


@pytest.mark.parametrize(
    "secret", [base64.b64encode(b"wrong").decode(), "?sv=2022-11-02&sig=eA%3D"]
)
def test_a_wrong_key_or_token_is_named(container: AzurePlace, secret: str) -> None:
    wrong = BucketStore(container, StoredText(lambda: secret))
    for ask in (wrong.identity, lambda: wrong.initialise(IDENTITY), wrong.try_writing):
        with pytest.raises(RepositoryError, match=r"could not be \w+: ") as raised:
            ask()
        assert any(words in str(raised.value) for words in ("does not fit", "does not allow"))
        assert not raised.value.transient


def test_a_token_opens_a_container(container: AzurePlace) -> None:
    text = account_sas(datetime.now(UTC) + timedelta(hours=1))
    opened = BucketStore(container, StoredText(lambda: text))
    opened.initialise(IDENTITY)
    # Not deletion: this emulator answers it by 500 where it is sent with a token.
    assert BucketStore(container, AZURE_SECRET).identity() == IDENTITY


def test_a_container_that_is_not_there_is_named(container: AzurePlace) -> None:
    gone = BucketStore(replace(container, bucket="none-of-that-name"), AZURE_SECRET)
    for ask in (gone.identity, lambda: gone.initialise(IDENTITY), gone.try_writing):
        with pytest.raises(RepositoryError, match="there is no such bucket"):
            ask()


def test_an_object_in_the_archive_tier_is_named(container: AzurePlace) -> None:
    cool = BucketStore(replace(container, storage_class="Cool"), AZURE_SECRET)
    cool.initialise(IDENTITY)
    assert cool.identity() == IDENTITY
    archived = BucketStore(replace(container, storage_class="Archive"), AZURE_SECRET)
    put(archived, "a/one", b"0123456789")
    with pytest.raises(RepositoryError, match="in the archive tier"):
        archived.read("a/one", 0, 3)


def test_a_tier_that_is_none_is_named(container: AzurePlace) -> None:
    lukewarm = BucketStore(replace(container, storage_class="Lukewarm"), AZURE_SECRET)
    with pytest.raises(RepositoryError, match="could not be written: ") as raised:
        lukewarm.try_writing()
    assert not raised.value.transient


def test_faults_on_the_way_are_survived(place: ObjectStore, proxy: BadProxy) -> None:
    place.initialise(IDENTITY)
    proxy.fail("PUT", refuse(503, "ServerBusy"), part="comp=block&")
    proxy.fail("PUT", cut_off, part="comp=block&")
    proxy.fail("PUT", lose_answer, part="comp=blocklist")
    put(place, "a/large", CONTENT)
    proxy.fail("GET", refuse(500, "InternalError"), times=2)
    assert place.read("a/large") == CONTENT
    assert list(place.list("a")) == ["a/large"]


def test_what_kill_9_leaves_is_no_object(container: AzurePlace, place: ObjectStore) -> None:
    place.initialise(IDENTITY)
    argv = [
        sys.executable,
        "-c",
        VICTIM,
        container.bucket,
        container.endpoint,
        ACCOUNT,
        ACCOUNT_KEY,
    ]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"written\n"
        victim.kill()
    assert (list(place.list("a")), place.exists("a/large")) == ([], False)
    assert place.remove_tree("a") == 0
    put(place, "a/large", CONTENT[::-1])
    assert place.read("a/large") == CONTENT[::-1]
