"""How fast do packs go to an object store, beside the library alone? python -m bench.stores

Starts a private Ceph, in memory, on this machine: it takes more of the processor than what is
measured, so ratios count. Every candidate is a process of its own; the bytes are random.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from backups.repositories.objects.clients import PART_BYTES, PARTS_AT_ONCE
from backups.repositories.objects.credentials import StoredKeys
from backups.repositories.objects.place import BucketPlace
from backups.repositories.objects.store import BucketStore
from tests.backups.repositories.object_server import calls
from tests.live.ceph import KEY_ID, SECRET, private_ceph

if TYPE_CHECKING:
    from obstore.store import S3Store

MIB = 1 << 20
PACK_BYTES = 256 * MIB
# A frame, as the pipeline writes and a restore reads it.
FRAME_BYTES = 4 * MIB
READERS = 2


def mooring_writes(place: BucketPlace, packs: int) -> None:
    store = BucketStore(place, StoredKeys(KEY_ID, lambda: SECRET))
    for number in range(packs):
        with store.create(f"mooring/{number}") as upload:
            for frame in frames():
                upload.write(frame)
            upload.commit()


def library_writes(place: BucketPlace, packs: int) -> None:
    from obstore import put

    for number in range(packs):
        put(
            library(place),
            place.key(f"library/{number}"),
            frames(),
            chunk_size=PART_BYTES,
            max_concurrency=PARTS_AT_ONCE,
        )


def mooring_reads(place: BucketPlace, packs: int) -> None:
    store = BucketStore(place, StoredKeys(KEY_ID, lambda: SECRET))
    read_all(packs, lambda pack, start: store.read(f"mooring/{pack}", start, FRAME_BYTES))


def library_reads(place: BucketPlace, packs: int) -> None:
    from obstore import get_range

    client = library(place)
    read_all(
        packs,
        lambda pack, start: bytes(
            get_range(client, place.key(f"mooring/{pack}"), start=start, length=FRAME_BYTES)
        ),
    )


CANDIDATES: dict[str, Callable[[BucketPlace, int], None]] = {
    "mooring writes": mooring_writes,
    "library writes": library_writes,
    "mooring reads": mooring_reads,
    "library reads": library_reads,
}


def read_all(packs: int, read: Callable[[int, int], bytes]) -> None:
    wanted = [(pack, at) for pack in range(packs) for at in range(0, PACK_BYTES, FRAME_BYTES)]
    with ThreadPoolExecutor(READERS) as readers:
        for content in readers.map(lambda one: read(*one), wanted):
            assert len(content) == FRAME_BYTES


def frames() -> Iterator[bytes]:
    frame = os.urandom(FRAME_BYTES)
    for _ in range(PACK_BYTES // FRAME_BYTES):
        yield frame


def library(place: BucketPlace) -> S3Store:
    from obstore.store import S3Store

    return S3Store(
        place.bucket,
        config={
            "endpoint": place.endpoint,
            "region": place.region,
            "access_key_id": KEY_ID,
            "secret_access_key": SECRET,
        },
        client_options={"allow_http": True},
    )


def peak_mib() -> int:
    """Return the most memory that was resident; that of rusage is inherited from the parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def run_one(name: str, place: BucketPlace, packs: int) -> str:
    """Run a candidate here, and return its line."""
    before, imported = resource.getrusage(resource.RUSAGE_SELF), peak_mib()
    began = time.perf_counter()
    CANDIDATES[name](place, packs)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    mib = packs * PACK_BYTES / MIB
    return (
        f"{name:15} {mib / wall:7.1f} MiB/s {cpu:6.1f} s of CPU, "
        f"peak {peak_mib()} MiB ({imported} before), "
        f"{after.ru_oublock * 512} bytes written to disks"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packs", type=int, default=1, help="Of 256 MiB each.")
    parser.add_argument("--rounds", type=int, default=3, help="All bytes stay in memory.")
    parser.add_argument("--only", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        name, bucket, url = asked.only
        print(run_one(name, BucketPlace(bucket, "bench", url), asked.packs), flush=True)
        return
    with (
        tempfile.TemporaryDirectory(prefix="mooring-stores-") as home,
        private_ceph(Path(home) / "ceph") as ceph,
    ):
        # The store makes its pools with the first objects.
        calls(ceph.url).create_bucket(Bucket="warm")
        library_writes(BucketPlace("warm", endpoint=ceph.url), 1)
        for number in range(asked.rounds):
            bucket = f"bench-{number}"
            calls(ceph.url).create_bucket(Bucket=bucket)
            for name in CANDIDATES:
                words = ["--packs", str(asked.packs), "--only", name, bucket, ceph.url]
                subprocess.run([sys.executable, "-m", "bench.stores", *words], check=True)


if __name__ == "__main__":
    main()
