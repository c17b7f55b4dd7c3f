"""A private Ceph with its object gateway, in memory: an object store that checks signatures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.private_ceph import IN_MEMORY, Ports, PrivateCeph
from scripts.processes import ROOT
from tests.live.server import free_port

USER, KEY_ID, SECRET = "mooring", "AKIAMOORING", "s3cret/key+of/tests"


class CephMissing(RuntimeError):
    """There is none to start."""


def ceph_folder() -> Path:
    """Return the folder of an unpacked Ceph."""
    folder = Path(os.environ.get("MOORING_TEST_CEPH") or ROOT / "var" / "ceph")
    if not (folder / "usr/bin/radosgw").exists():
        raise CephMissing(f"no Ceph in {folder}: run scripts/ceph.sh {folder}")
    return folder


def add_user(ceph: PrivateCeph, name: str, key_id: str, secret: str) -> None:
    keys = [f"--access-key={key_id}", f"--secret-key={secret}"]
    ceph.administer("user", "create", f"--uid={name}", f"--display-name={name}", *keys)


def set_quota(ceph: PrivateCeph, name: str, most_bytes: int) -> None:
    """Limit the bytes of a user."""
    scope = ["--quota-scope=user", f"--uid={name}"]
    ceph.administer("quota", "set", *scope, f"--max-size={most_bytes}")
    ceph.administer("quota", "enable", *scope)


@contextmanager
def private_ceph(home: Path) -> Iterator[PrivateCeph]:
    ceph = PrivateCeph(ceph_folder(), home, Ports(free_port(), free_port()), IN_MEMORY)
    try:
        ceph.create()
        add_user(ceph, USER, KEY_ID, SECRET)
        yield ceph
    finally:
        ceph.stop()
