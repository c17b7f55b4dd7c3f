"""Repositories that a test can take away and give back: a folder, a bucket, behind SFTP."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from pytest_django import Settings

from backups.catalog.new_repository import settle
from backups.models import Repository
from tests.backups.conftest import make_repository
from tests.backups.repositories.bad_proxy import Action, bad_proxy, refuse, reset
from tests.backups.repositories.clouds import CLOUDS
from tests.live import sshd


@dataclass(frozen=True, slots=True)
class FarStore:
    """A registered repository; ``fail`` has everything there fail until ``repair``."""

    row: Repository
    fail: Callable[[], None]
    repair: Callable[[], None]


FarStores = Callable[[Path, Settings], AbstractContextManager[FarStore]]


@contextmanager
def near_folder(folder: Path, settings: Settings) -> Iterator[FarStore]:
    """A folder whose disk is unmounted: its mount point stays, and is empty."""
    place, elsewhere = folder / "near", folder / "elsewhere"

    def fail() -> None:
        place.rename(elsewhere)
        place.mkdir()

    def repair() -> None:
        # Fails if something was written there.
        place.rmdir()
        elsewhere.rename(place)

    yield FarStore(make_repository("near", place), fail, repair)


def far_bucket(fault: Action) -> FarStores:
    @contextmanager
    def made(folder: Path, settings: Settings) -> Iterator[FarStore]:
        cloud = CLOUDS["s3"]
        with bad_proxy(cloud.address()) as proxy:
            row = cloud.row(proxy.url, settings)
            yield FarStore(row, lambda: proxy.fail_all(fault), proxy.faults.clear)

    return made


@contextmanager
def far_folder(folder: Path, settings: Settings) -> Iterator[FarStore]:
    """A folder behind a real sshd, which is stopped."""
    settings.OUTBOUND_NETWORKS = ["127.0.0.0/8"]
    with sshd.private_sshd(folder / "sshd") as target:
        address = f"sftp://{target.user}@{target.host}:{target.port}{folder}/far"
        row = Repository(name="offsite", kind="sftp", path=address)
        row.identity_file = str(target.identity_file)
        row.known_hosts_file = str(target.known_hosts)
        settle(row)
        row.save()
        started: list[subprocess.Popen[bytes]] = []

        def fail() -> None:
            listener = psutil.Process(int((folder / "sshd" / "sshd.pid").read_text()))
            for process in [*listener.children(recursive=True), listener]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs([listener], 10)

        def repair() -> None:
            started.append(sshd._start(folder / "sshd", target.port))
            sshd._wait_for_port(target.port)

        try:
            yield FarStore(row, fail, repair)
        finally:
            for server in started:
                server.send_signal(signal.SIGTERM)
                server.wait(10)


FAR_STORES: dict[str, FarStores] = {
    "disk that is unmounted": near_folder,
    "bucket that cannot be reached": far_bucket(reset),
    "bucket that is gone": far_bucket(refuse(404, "NoSuchBucket")),
    "sftp server that is stopped": far_folder,
}
