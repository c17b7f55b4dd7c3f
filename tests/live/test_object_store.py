"""Does a real object store, one that checks signatures, do what a repository needs?"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pytest_django import Settings

from backups.exceptions import RepositoryError
from backups.models import (
    Backup,
    BackupAncestor,
    BackupCopy,
    Evidence,
    EvidenceChain,
    EvidenceLink,
    Instance,
    Job,
    Repository,
)
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.repositories.base import Identity
from backups.repositories.layout import FORMAT_VERSION
from backups.repositories.objects.credentials import StoredKeys
from backups.repositories.objects.place import BucketPlace
from backups.repositories.objects.store import BucketStore
from scripts.private_ceph import PrivateCeph
from tests.backups.repositories import object_server
from tests.commands import run_command
from tests.live.ceph import KEY_ID, SECRET, private_ceph, set_quota
from tests.live.faults import add_instance
from tests.live.server import LiveServer
from tests.settings import TEST_HOME

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

KEYS = StoredKeys(KEY_ID, lambda: SECRET)
IDENTITY = Identity("00000000-0000-0000-0000-000000000007", FORMAT_VERSION)
CONTENT = bytes(range(256)) * 80_000
# Writes an object in parts and is killed before it is whole.
VICTIM = """
import sys, time
from backups.repositories.objects.credentials import StoredKeys
from backups.repositories.objects.place import BucketPlace
from backups.repositories.objects.store import BucketStore
bucket, url, key_id, secret = sys.argv[1:]
store = BucketStore(BucketPlace(bucket, "db", url), StoredKeys(key_id, lambda: secret))
upload = store.create("a/large")
upload.write(b"x" * (20 << 20))
print("written", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateCeph]:
    with private_ceph(tmp_path_factory.mktemp("ceph")) as ceph:
        yield ceph


@pytest.fixture
def client(ceph: PrivateCeph) -> Any:
    """Any: botocore has no types."""
    return object_server.calls(ceph.url)


@pytest.fixture
def place(ceph: PrivateCeph, client: Any) -> BucketPlace:
    place = BucketPlace(f"mooring-{uuid4().hex[:12]}", "db", ceph.url)
    client.create_bucket(Bucket=place.bucket)
    return place


@pytest.fixture
def store(place: BucketPlace) -> BucketStore:
    store = BucketStore(place, KEYS)
    store.initialise(IDENTITY)
    return store


def put(store: BucketStore, name: str, content: bytes) -> None:
    with store.create(name) as upload:
        upload.write(content)
        upload.commit()


def test_objects_come_back_and_none_is_overwritten(store: BucketStore) -> None:
    store.try_writing()
    for name, content in (("a/small", b"small"), ("a/large", CONTENT)):
        put(store, name, content)
        assert (store.size(name), store.read(name)) == (len(content), content)
        with pytest.raises(RepositoryError, match="could not be committed: it exists"):
            put(store, name, content + b"!")
    assert store.read("a/large", 8_388_600, 20) == CONTENT[8_388_600:8_388_620]
    with pytest.raises(RepositoryError, match="large ends early"):
        store.read("a/large", len(CONTENT) - 1, 2)
    assert list(store.list("a")) == ["a/large", "a/small"]
    with pytest.raises(RepositoryError, match="is neither empty"):
        store.initialise(IDENTITY)
    assert store.remove_tree("a") == len(CONTENT) + 5
    assert not store.holds("a")


def test_a_customer_key_opens_what_it_closed(store: BucketStore, place: BucketPlace) -> None:
    key = base64.b64encode(bytes(range(32))).decode()
    prefix = replace(place, prefix="sealed", encryption="sse-c", customer_key=key)
    sealed = BucketStore(prefix, KEYS)
    sealed.initialise(IDENTITY)
    sealed.try_writing()
    for name, content in (("a/small", b"small"), ("a/large", CONTENT)):
        put(sealed, name, content)
        assert (sealed.size(name), sealed.read(name)) == (len(content), content)
    plain = BucketStore(replace(place, prefix="sealed"), KEYS)
    with pytest.raises(RepositoryError):
        plain.read("a/small")
    other = base64.b64encode(bytes(32)).decode()
    with pytest.raises(RepositoryError):
        BucketStore(replace(prefix, customer_key=other), KEYS).read("a/small")
    assert sealed.remove_tree("a") == len(CONTENT) + 5


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (StoredKeys(KEY_ID, lambda: "wrong"), "the secret key does not fit the access key id"),
        (StoredKeys("AKIAUNKNOWN", lambda: SECRET), "does not know the access key id"),
    ],
)
def test_a_wrong_key_is_named(place: BucketPlace, keys: StoredKeys, words: str) -> None:
    store = BucketStore(place, keys)
    for ask in (store.identity, lambda: store.initialise(IDENTITY), store.try_writing):
        with pytest.raises(RepositoryError, match=words) as raised:
            ask()
        assert not raised.value.transient


def test_a_bucket_that_is_not_there_is_named(place: BucketPlace) -> None:
    store = BucketStore(replace(place, bucket="none-of-that-name"), KEYS)
    for ask in (store.identity, lambda: store.initialise(IDENTITY), store.try_writing):
        with pytest.raises(RepositoryError, match="there is no such bucket"):
            ask()


def test_what_kill_9_leaves_is_removed_by_its_owner(
    place: BucketPlace, store: BucketStore, client: Any
) -> None:
    argv = [sys.executable, "-c", VICTIM, place.bucket, place.endpoint, KEY_ID, SECRET]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"written\n"
        victim.kill()

    def uploads() -> list[str]:
        found = client.list_multipart_uploads(Bucket=place.bucket)
        return [item["Key"] for item in found.get("Uploads", ())]

    assert uploads() == ["db/a/large"]
    assert list(store.list("a")) == []
    store.remove_tree("b")
    assert uploads() == ["db/a/large"]
    store.remove_tree("a")
    assert uploads() == []


@pytest.fixture
def repository(
    ceph: PrivateCeph, client: Any, tmp_path: Path, settings: Settings
) -> tuple[str, Any]:
    """Add a bucket by the command a user has; return its name in the store."""
    settings.OUTBOUND_NETWORKS = ["127.0.0.0/8"]
    settings.BACKUP_KEY_TEXT = ""
    settings.BACKUP_KEY_FILE = tmp_path / "backup.key"
    settings.SCRATCH_FOLDER = tmp_path / "scratch"
    assert run_command("createbackupkey").exit_code == 0
    bucket = f"fleet-{uuid4().hex[:12]}"
    client.create_bucket(Bucket=bucket)
    add_repository(bucket, ceph.url)
    return bucket, client


def add_repository(bucket: str, url: str) -> None:
    secret = Path(TEST_HOME) / "given-secret"
    secret.write_text(SECRET)
    words = ["--path", f"s3://{bucket}/db", "--endpoint", url, "--access-key-id", KEY_ID]
    ended = run_command("addrepository", "offsite", *words, "--secret-key-file", str(secret))
    secret.unlink()
    assert ended.exit_code == 0, ended.stderr


def ran(command: str, *words: str) -> dict[str, Any]:
    ended = run_command(command, *words, "--json")
    assert ended.exit_code == 0, (ended.stdout, ended.stderr)
    return ended.json()


def taken(kind: str) -> str:
    # Labels are made of the second of the start.
    time.sleep(1)
    return str(ran("takebackup", "orders-1", "--kind", kind, "--foreground")["label"])


def count_orders(folder: Path) -> int:
    with (
        PrivateServer(folder, ServerOptions()) as server,
        server.connect() as root,
        root.cursor() as cursor,
    ):
        cursor.execute("SELECT COUNT(*) FROM bucketed.orders")
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def forget_everything() -> None:
    Backup.objects.update(base=None)
    for model in (
        EvidenceLink,
        EvidenceChain,
        Evidence,
        Job,
        BackupAncestor,
        BackupCopy,
        Backup,
        Instance,
        Repository,
    ):
        model.objects.all().delete()


def extract_by_hand(client: Any, bucket: str, label: str, folder: Path) -> None:
    """Fetch the objects into a folder, as docs/restore-by-hand.md says, and extract a backup."""
    fetched = folder / "fetched"
    for item in client.list_objects_v2(Bucket=bucket)["Contents"]:
        path = fetched / item["Key"].removeprefix("db/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())
    argv = [sys.executable, "scripts/extract_backup.py", str(fetched), "--label", label]
    key = ["--key-file", str(folder / "backup.key"), "--to", str(folder / "by-hand")]
    done = subprocess.run([*argv, *key], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_whole_path(
    ceph: PrivateCeph, mariadb: LiveServer, repository: tuple[str, Any], tmp_path: Path
) -> None:
    bucket, client = repository
    mariadb.execute(
        "CREATE OR REPLACE DATABASE bucketed",
        "USE bucketed",
        "CREATE TABLE bucketed.orders (id INT PRIMARY KEY, note VARCHAR(200)) ENGINE=InnoDB",
        "INSERT INTO bucketed.orders SELECT seq, REPEAT(MD5(seq), 6) FROM seq_1_to_5000",
    )
    add_instance(mariadb)
    full = taken("full")
    more = "INSERT INTO bucketed.orders SELECT seq, 'new' FROM seq_5001_to_6000"
    mariadb.execute("USE bucketed", more)
    link = taken("incremental")
    assert ran("listbackups")["backups"]
    for label in (full, link):
        ran("verifybackup", label, "--foreground")

    ran("restorebackup", link, "--to", str(tmp_path / "chain"), "--foreground")
    assert count_orders(tmp_path / "chain") == 6000
    joined = str(ran("consolidatebackup", link, "--foreground")["label"])
    ran("verifybackup", joined, "--pages", "--foreground")

    extract_by_hand(client, bucket, link, tmp_path)

    # The database is lost; the bucket and the key are not.
    forget_everything()
    add_repository(bucket, ceph.url)
    assert len(ran("rebuildcatalog", "offsite")["added"]) == 3
    ran("restorebackup", joined, "--to", str(tmp_path / "joined"), "--foreground")
    assert count_orders(tmp_path / "joined") == 6000

    for label in (link, full, joined):
        at_once = ("--now", "--reason", "a test")
        ran("purgebackup", label, "--force", *at_once, "--foreground")
    found = client.list_objects_v2(Bucket=bucket)
    assert [item["Key"] for item in found["Contents"]] == ["db/mooring.json"]
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)


def test_a_full_quota_is_named_and_leaves_nothing(
    ceph: PrivateCeph, mariadb: LiveServer, repository: tuple[str, Any]
) -> None:
    bucket, client = repository
    add_instance(mariadb)
    set_quota(ceph, "mooring", 64 << 10)
    ended = run_command("takebackup", "orders-1", "--foreground", "--json")
    assert ended.exit_code == 1
    answer = json.loads(ended.stdout)
    assert "the quota of the bucket or account is used up" in answer["error"]
    found = client.list_objects_v2(Bucket=bucket)
    assert [item["Key"] for item in found["Contents"]] == ["db/mooring.json"]
