"""The demo's object store: ended with the demo, also by kill -9; the next run has its objects."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from backups.repositories.base import Identity
from backups.repositories.layout import FORMAT_VERSION
from backups.repositories.objects.credentials import StoredKeys
from backups.repositories.objects.place import BucketPlace
from backups.repositories.objects.store import BucketStore
from scripts.demo_store import BUCKET, PREFIX, BucketRepository
from scripts.processes import ROOT
from tests.live.ceph import ceph_folder
from tests.live.mooring_site import wait_until

pytestmark = pytest.mark.live

IDENTITY = Identity("00000000-0000-0000-0000-000000000007", FORMAT_VERSION)


def store_of(repository: BucketRepository) -> BucketStore:
    """Open it with what ``addrepository`` is given."""
    words = dict(zip(repository.words[::2], repository.words[1::2], strict=True))
    secret = Path(words["--secret-key-file"]).read_text().strip()
    place = BucketPlace(BUCKET, PREFIX, words["--endpoint"])
    return BucketStore(place, StoredKeys(words["--access-key-id"], lambda: secret))


def daemons(home: Path) -> list[psutil.Process]:
    """Every process of the store, whoever's child it is by now."""
    return [process for process in psutil.process_iter() if str(home / "ceph") in _words(process)]


def _words(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return " ".join(process.cmdline())
    return ""


# A demo's part that has the store, and nothing else.
HOLD = """
import sys
from pathlib import Path
from scripts.demo_store import BucketRepository
with BucketRepository(Path(sys.argv[1]), Path(sys.argv[2])).running():
    sys.stdin.read()
"""


def kill_when(home: Path, is_reached: Callable[[], bool]) -> None:
    """Start the store, kill -9 who did, and wait until all of it is gone."""
    argv = [sys.executable, "-c", HOLD, str(home), str(ceph_folder())]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE) as holder:
        wait_until(lambda: is_reached() or holder.poll() is not None, 120)
        assert holder.poll() is None
        holder.kill()
    wait_until(lambda: daemons(home) == [], 60)


def test_after_a_kill_nothing_is_left_and_the_next_run_has_all(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    # While it is made, then while it runs.
    kill_when(tmp_path, lambda: len(daemons(tmp_path)) > 1)
    assert not (tmp_path / "ceph" / "demo.json").exists()

    def stored() -> bool:
        if not (tmp_path / "ceph" / "demo.json").exists():
            return False
        store = store_of(BucketRepository(tmp_path, ceph_folder()))
        store.initialise(IDENTITY)
        with store.create("a/b") as upload:
            upload.write(b"kept")
            upload.commit()
        return True

    kill_when(tmp_path, stored)
    again = BucketRepository(tmp_path, ceph_folder())
    with again.running():
        assert len(daemons(tmp_path)) == 3
        assert store_of(again).read("a/b") == b"kept"
        # Whoever looks at the processes or settings sees no secret.
        secret = (tmp_path / "keys" / "ceph-secret.key").read_text().strip()
        assert not any(secret in _words(one) for one in daemons(tmp_path))
        assert (tmp_path / "keys" / "ceph-secret.key").stat().st_mode & 0o777 == 0o600
    assert daemons(tmp_path) == []
