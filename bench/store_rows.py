"""How fast is each kind of repository beside the plainest way to the same place?

    python -m bench.store_rows [folder pipe azure s3 restore names] [--rounds 3] [--mib 256]

Ratios count: servers run on this machine, in memory, and take most of it. SFTP has a measurement of
its own, ``bench.sftp``, and S3 one with every candidate in a process of its own, ``bench.stores``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from backups.archive.extract import extract
from backups.archive.meter import Meter
from backups.repositories.base import Identity, ObjectStore
from backups.repositories.directory import DirectoryStore
from backups.repositories.layout import FORMAT_VERSION
from backups.repositories.objects import upload
from backups.repositories.objects.clients import PART_BYTES, PARTS_AT_ONCE
from backups.repositories.objects.credentials import StoredKeys
from backups.repositories.objects.place import BucketPlace
from backups.repositories.objects.secret_texts import StoredText
from backups.repositories.objects.store import BucketStore
from backups.repositories.sequential.catalog import MemoryCatalog
from backups.repositories.sequential.pipe import Commands, PipeMedium
from backups.repositories.sequential.pipeline import Surroundings
from backups.repositories.sequential.store import SequentialStore
from bench.stores import library, peak_mib
from tests.backups.archive.stores import never_stop, open_backup, records_of, write_backup
from tests.backups.repositories.azure_server import ACCOUNT_KEY
from tests.backups.repositories.object_server import calls
from tests.live.azurite import private_azurite
from tests.live.ceph import KEY_ID, SECRET, private_ceph

if TYPE_CHECKING:
    from obstore.store import AzureStore

MIB = 1 << 20
FRAME_BYTES = 4 * MIB
MEMORY = Path("/dev/shm")
UUID = "00000000-0000-4000-8000-000000000014"
NAMES, WRITERS = 100_000, 32


@dataclass(frozen=True, slots=True)
class Load:
    """How much is written, how often."""

    mib: int
    rounds: int

    def frames(self) -> Iterator[bytes]:
        frame = os.urandom(FRAME_BYTES)
        for _ in range(self.mib * MIB // FRAME_BYTES):
            yield frame

    def compare(
        self,
        what: str,
        ours: Callable[[], None],
        plain: Callable[[], None],
        clear: Callable[[], None] = lambda: None,
    ) -> None:
        """Take turns, and print the rates and their ratio: of the medians, above 1 is faster.

        ``clear`` is not timed: it removes what both wrote. The first turns do not count, for a
        server makes its first objects slowly.
        """
        pairs = []
        for first in (ours, plain, clear):
            first()
        for _ in range(self.rounds):
            pairs.append((_seconds(ours), _seconds(plain)))
            clear()
        first, second = (median(column) for column in zip(*pairs, strict=True))
        print(
            f"{what:34} {self.mib / first:7.1f} MiB/s, plain {self.mib / second:7.1f} MiB/s, "
            f"ratio {second / first:.2f}; peak {peak_mib()} MiB",
            flush=True,
        )


def folder(load: Load) -> None:
    """A folder on the disk, synced, beside dd that syncs once."""
    with tempfile.TemporaryDirectory(prefix="mooring-rows-", dir=Path.cwd()) as home:
        store = _initialised(DirectoryStore(Path(home, "repository")))
        target = Path(home, "plain")
        plain = ["dd", f"of={target}", f"bs={FRAME_BYTES}", "conv=fsync", "status=none"]
        load.compare(
            "folder: backup, beside dd",
            lambda: _write(store, load),
            lambda: _feed(plain, load),
            lambda: _clear(store),
        )


def pipe(load: Load) -> None:
    """Through cat and dd into a file in memory, beside dd alone."""
    with tempfile.TemporaryDirectory(prefix="mooring-rows-", dir=MEMORY) as home:
        # A name of a piece is a whole argument, never a part of one: the shell puts it behind of=.
        dd = f'exec dd of="$0" bs={MIB} status=none'
        commands = Commands(
            store=(("cat",), ("sh", "-c", dd, "{piece}")),
            fetch=(("cat", "{piece}"),),
            exists=("test", "-e", "{piece}"),
            remove=("rm", "{piece}"),
            surroundings=Surroundings(folder=home),
        )
        medium = PipeMedium("bench", commands)
        store = SequentialStore(lambda: medium, "bench", MemoryCatalog(), "media:bench", UUID)
        _initialised(store)
        plain = ["dd", f"of={home}/plain", f"bs={MIB}", "status=none"]
        load.compare(
            "pipe: backup, beside dd",
            lambda: _write(store, load),
            lambda: _feed(plain, load),
            lambda: _clear(store),
        )


def azure(load: Load) -> None:
    """Azurite, beside the library alone."""
    from obstore import put

    with (
        tempfile.TemporaryDirectory(prefix="mooring-rows-", dir=MEMORY) as home,
        private_azurite(Path(home)) as server,
    ):
        place = server.new_place()
        store = _initialised(BucketStore(place, StoredText(lambda: ACCOUNT_KEY)))
        client = _azure_library(place.bucket, place.account, place.endpoint)

        def plain() -> None:
            put(
                client,
                "plain",
                load.frames(),
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )

        load.compare(
            "Azurite: backup, beside the library",
            lambda: _write(store, load),
            plain,
            lambda: _clear(store),
        )


def s3(load: Load) -> None:
    """Ceph, with eight parts in flight, beside the library with as many."""
    from obstore import put

    # In this process only.
    vars(upload)["PARTS_AT_ONCE"] = 8
    with _bucket() as (place, store):

        def plain() -> None:
            put(
                library(place),
                place.key("plain"),
                load.frames(),
                chunk_size=PART_BYTES,
                max_concurrency=8,
            )

        load.compare(
            "S3, 8 parts: backup, beside the library",
            lambda: _write(store, load),
            plain,
            lambda: _clear(store),
        )


def restore(load: Load) -> None:
    """A backup restored to the disk from Ceph, beside the same from a folder of that disk.

    The bytes are hexadecimal digits, of which compression leaves half, as it does of most tables.
    """
    with (
        tempfile.TemporaryDirectory(prefix="mooring-rows-", dir=Path.cwd()) as home,
        _bucket() as (_, far),
    ):
        near = _initialised(DirectoryStore(Path(home, "repository")))
        digits = os.urandom(load.mib * MIB // 16).hex().encode()
        files = {f"shop/orders{number}.ibd": digits for number in range(8)}
        made = write_backup([near, far], records_of(files))

        def from_store(store: ObjectStore) -> None:
            target = Path(home, "restored")
            target.mkdir()
            reader = open_backup(store, made)
            extract([reader], target, threads=2, check=never_stop, meter=Meter())
            shutil.rmtree(target)

        load.compare(
            "S3: restore, beside a folder", lambda: from_store(far), lambda: from_store(near)
        )


def names(load: Load) -> None:
    """One hundred thousand objects are listed."""
    with _bucket() as (place, store):
        client = calls(place.endpoint)

        def make(number: int) -> None:
            key = place.key(f"instances/one/{number:06}")
            client.put_object(Bucket=place.bucket, Key=key, Body=b"x")

        with ThreadPoolExecutor(WRITERS) as writers:
            list(writers.map(make, range(NAMES)))
        before, began = peak_mib(), time.perf_counter()
        count = sum(1 for _ in store.list("instances"))
        took = time.perf_counter() - began
        print(f"S3: {count:,} names listed in {took:.1f} s, {peak_mib() - before} MiB more at most")


ROWS: dict[str, Callable[[Load], None]] = {
    "folder": folder, "pipe": pipe, "azure": azure, "s3": s3, "restore": restore, "names": names,
}  # fmt: skip


@contextmanager
def _bucket() -> Iterator[tuple[BucketPlace, ObjectStore]]:
    """A bucket of a private Ceph, and Mooring's store on it."""
    with (
        tempfile.TemporaryDirectory(prefix="mooring-rows-") as home,
        private_ceph(Path(home) / "ceph") as ceph,
    ):
        calls(ceph.url).create_bucket(Bucket="bench")
        place = BucketPlace("bench", "db", ceph.url)
        yield place, _initialised(BucketStore(place, StoredKeys(KEY_ID, lambda: SECRET)))


def _azure_library(container: str, account: str, endpoint: str) -> AzureStore:
    from obstore.store import AzureStore

    return AzureStore(
        container,
        config={
            "account_name": account,
            "account_key": ACCOUNT_KEY,
            "endpoint": f"{endpoint}/{account}",
        },
        client_options={"allow_http": True},
    )


def _initialised(store: ObjectStore) -> ObjectStore:
    store.initialise(Identity(UUID, FORMAT_VERSION))
    return store


def _write(store: ObjectStore, load: Load) -> None:
    with store.create("bench/one.pack") as upload:
        for frame in load.frames():
            upload.write(frame)
        upload.commit()


def _clear(store: ObjectStore) -> None:
    store.remove("bench/one.pack")


def _feed(argv: list[str], load: Load) -> None:
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for frame in load.frames():
            process.stdin.write(frame)
    assert process.returncode == 0


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help="By default all.")
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    if unknown := set(asked.rows) - set(ROWS):
        parser.error(f"no row is named {unknown.pop()}")
    for name in asked.rows or ROWS:
        ROWS[name](Load(asked.mib, asked.rounds))


if __name__ == "__main__":
    main()
