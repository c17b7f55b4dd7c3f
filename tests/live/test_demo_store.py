"""The demo's object store: made once, ended with the demo, and with its objects in the next run."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from backups.repositories.base import Identity
from backups.repositories.layout import FORMAT_VERSION
from backups.repositories.objects.credentials import StoredKeys
from backups.repositories.objects.place import BucketPlace
from backups.repositories.objects.store import BucketStore
from scripts.demo_store import BUCKET, PREFIX, BucketRepository
from tests.live.ceph import ceph_folder

pytestmark = pytest.mark.live

IDENTITY = Identity("00000000-0000-0000-0000-000000000007", FORMAT_VERSION)


def store_of(repository: BucketRepository) -> BucketStore:
    """Open it with what ``addrepository`` is given."""
    words = dict(zip(repository.words[::2], repository.words[1::2], strict=True))
    secret = Path(words["--secret-key-file"]).read_text().strip()
    place = BucketPlace(BUCKET, PREFIX, words["--endpoint"])
    return BucketStore(place, StoredKeys(words["--access-key-id"], lambda: secret))


def daemons(home: Path) -> list[psutil.Process]:
    settings = str(home / "ceph" / "ceph.conf")
    return [child for child in psutil.Process().children() if settings in child.cmdline()]


def test_what_was_stored_is_there_in_the_next_run(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    with BucketRepository(tmp_path, ceph_folder()).running():
        store = store_of(BucketRepository(tmp_path, ceph_folder()))
        store.initialise(IDENTITY)
        with store.create("a/b") as upload:
            upload.write(b"kept")
            upload.commit()
        running = daemons(tmp_path)
        assert len(running) == 3
        # Whoever looks at the processes or settings sees no secret.
        secret = (tmp_path / "keys" / "ceph-secret.key").read_text().strip()
        assert not any(secret in word for one in running for word in one.cmdline())
        assert (tmp_path / "keys" / "ceph-secret.key").stat().st_mode & 0o777 == 0o600
    assert daemons(tmp_path) == []

    again = BucketRepository(tmp_path, ceph_folder())
    with again.running():
        assert store_of(again).read("a/b") == b"kept"
