"""Where does the demo keep its backups: in a folder, or in a bucket of a private object store?

The store is a Ceph on loopback. It is made once, kept in the state folder between runs, and runs
while the demo runs.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from subprocess import SubprocessError
from typing import Any, Protocol

from backups.repositories.objects.connection import BucketConnection
from backups.repositories.objects.credentials import StoredKeys
from backups.repositories.objects.place import BucketPlace
from scripts.console import SetupError, timed
from scripts.fetching import fetch
from scripts.private_ceph import ON_DISK, CephFailed, Ports, PrivateCeph
from scripts.processes import ROOT

BUCKET, PREFIX, USER = "mooring-demo", "backups", "mooring"
# Its own files, and the backups of a few runs.
NEEDED_BYTES = 3_000_000_000
# How long a store that the kernel kills may take to leave its ports.
GONE_SECONDS, POLL_SECONDS = 15.0, 0.2
# Endpoints at private addresses are refused unless their network is named.
NETWORKS, LOOPBACK = "MOORING_OUTBOUND_NETWORKS", "127.0.0.1/32"
# Where scripts/ceph.sh puts one.
UNPACKED = ROOT / "var" / "ceph"
WITHOUT = (
    "Set MOORING_TEST_CEPH to the folder of a Ceph that scripts/ceph.sh unpacked elsewhere, "
    "or leave out --s3: the demo then stores in a folder."
)


class DemoRepository(Protocol):
    """A repository of the demo, as ``addrepository`` is to know it."""

    name: str

    @property
    def place(self) -> str:
        """Where it is, for people."""

    @property
    def words(self) -> tuple[str, ...]:
        """What ``addrepository`` needs beside its name."""

    @property
    def added(self) -> bool:
        """Whether an earlier run added it."""

    def note_added(self) -> None:
        """Have later runs know that it was added."""

    def environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return what Mooring's environment has to say beside, or differently."""

    def running(self) -> AbstractContextManager[None]:
        """Have it usable."""


class FolderRepository:
    """A folder in the state folder."""

    name = "demo"

    def __init__(self, home: Path) -> None:
        self._folder = home / "repository"

    @property
    def place(self) -> str:
        return str(self._folder)

    @property
    def words(self) -> tuple[str, ...]:
        return ("--path", str(self._folder))

    @property
    def added(self) -> bool:
        return (self._folder / "mooring.json").exists()

    def note_added(self) -> None:
        """Do nothing: its identity is the note."""

    def environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        return {}

    def running(self) -> AbstractContextManager[None]:
        return nullcontext()


class BucketRepository:
    """A bucket of a private Ceph, which is started and ended with the demo."""

    name = "demo-s3"

    def __init__(self, home: Path, ceph: Path) -> None:
        self._ceph = ceph
        self._folder = home / "ceph"
        self._secret = home / "keys" / "ceph-secret.key"
        self._note = self._folder / "demo.json"
        self._mark = home / f"registered-repository-{self.name}"

    @property
    def place(self) -> str:
        return f"s3://{BUCKET}/{PREFIX} at {self._endpoint}"

    @property
    def words(self) -> tuple[str, ...]:
        # The secret is read from the file and kept encrypted in the database.
        keys = ("--access-key-id", self._noted()["key_id"], "--secret-key-file", str(self._secret))
        return ("--path", f"s3://{BUCKET}/{PREFIX}", "--endpoint", self._endpoint, *keys)

    @property
    def added(self) -> bool:
        return self._mark.exists()

    def note_added(self) -> None:
        self._mark.touch()

    def environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        named = environment.get(NETWORKS, "")
        return {NETWORKS: f"{named},{LOOPBACK}" if named else LOOPBACK}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Have the store run, with its bucket; it is made where there is none."""
        is_new = not self._note.exists()
        ports = _free_ports() if is_new else Ports(**self._noted()["ports"])
        ceph = PrivateCeph(self._ceph, self._folder, ports, ON_DISK)
        try:
            with (
                timed(f"{'making' if is_new else 'starting'} a private object store"),
                self._named(),
            ):
                if is_new:
                    self._create(ceph, ports)
                else:
                    _refuse_taken(ports, self._folder)
                    ceph.start()
            yield
        finally:
            ceph.stop()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Have what keeps the store from running name it, and the way on."""
        try:
            yield
        except (CephFailed, OSError, SubprocessError) as exc:
            raise SetupError(
                f"the private object store in {self._folder} did not start: {exc}",
                hint=f"Its logs are in {self._folder / 'log'}. Without --s3 the demo stores in a "
                "folder.",
            ) from exc

    def _create(self, ceph: PrivateCeph, ports: Ports) -> None:
        """Make the store; without its note, which comes last, it is made again."""
        shutil.rmtree(self._folder, ignore_errors=True)
        free = shutil.disk_usage(self._folder.parent).free
        if free < NEEDED_BYTES:
            raise SetupError(
                f"no space for a private object store: {free // 1_000_000} MB are free at "
                f"{self._folder.parent}, {NEEDED_BYTES // 1_000_000} MB are needed",
                hint="Free some space, or set MOORING_HOME to a folder on another disk.",
            )
        ceph.create()
        # It makes the keys up, so that no command line contains one.
        answer = ceph.administer("user", "create", f"--uid={USER}", f"--display-name={USER}")
        keys = json.loads(answer)["keys"][0]
        key_id, secret = str(keys["access_key"]), str(keys["secret_key"])
        _write_secret(self._secret, secret)
        _create_bucket(ceph.url, key_id, secret)
        note = {"ports": {"gateway": ports.gateway, "monitor": ports.monitor}, "key_id": key_id}
        unfinished = self._note.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(note), encoding="utf-8")
        unfinished.replace(self._note)

    @property
    def _endpoint(self) -> str:
        return f"http://127.0.0.1:{self._noted()['ports']['gateway']}"

    def _noted(self) -> dict[str, Any]:
        # Any: what json.loads returns; only this class writes the file.
        return dict(json.loads(self._note.read_text(encoding="utf-8")))


def _create_bucket(url: str, key_id: str, secret: str) -> None:
    place = BucketPlace(BUCKET, PREFIX, url)
    keys = StoredKeys(key_id, lambda: secret)
    calls = BucketConnection(place, keys, refuse_host=lambda _host, _port: None).calls()
    calls.create_bucket(Bucket=BUCKET)


def _write_secret(path: Path, secret: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secret + "\n")


def _free_ports() -> Ports:
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return Ports(one.getsockname()[1], other.getsockname()[1])


def _refuse_taken(ports: Ports, folder: Path) -> None:
    """Refuse to start where another process has a port: its store must not be taken for ours.

    The store of a run that was killed is ended by the kernel, and may need a moment to be gone.
    """
    deadline = time.monotonic() + GONE_SECONDS
    for port in (ports.gateway, ports.monitor):
        while fault := _why_taken(port):
            if time.monotonic() > deadline:
                raise SetupError(
                    f"port {port} of the private object store in {folder} is taken",
                    hint="End what listens there, or set MOORING_HOME to a new folder.",
                ) from fault
            time.sleep(POLL_SECONDS)


def _why_taken(port: int) -> OSError | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as exc:
            return exc
    return None


def find_demo_ceph(environment: Mapping[str, str]) -> Path:
    """Return the folder of an unpacked Ceph; it is fetched where none is named and none is here."""
    if named := environment.get("MOORING_TEST_CEPH"):
        if not _is_ceph(Path(named)):
            raise SetupError(
                f"MOORING_TEST_CEPH names {named}, which is no unpacked Ceph",
                hint=f"Run scripts/ceph.sh {named}, or unset it.",
            )
        return Path(named).resolve()
    if not _is_ceph(UNPACKED):
        fetch("Ceph", "ceph.sh", UNPACKED, otherwise=WITHOUT)
    return UNPACKED


def _is_ceph(folder: Path) -> bool:
    return (folder / "usr" / "bin" / "radosgw").is_file()
