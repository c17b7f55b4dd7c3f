"""A private Azurite, in memory: an Azure Blob Storage that checks keys and tokens."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from uuid import uuid4

from backups.repositories.objects.azure.place import AzurePlace
from tests.backups.repositories.azure_server import ACCOUNT, ACCOUNT_KEY, signature_of
from tests.live.server import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 60
API_VERSION = "2023-11-03"


class AzuriteMissing(RuntimeError):
    """There is none to start."""


def azurite_folder() -> Path:
    """Return the folder of an unpacked Azurite."""
    folder = Path(os.environ.get("MOORING_TEST_AZURITE") or ROOT / "var" / "azurite")
    if not (folder / "version").exists():
        raise AzuriteMissing(f"no Azurite in {folder}: run scripts/azurite.sh {folder}")
    return folder


@dataclass(frozen=True, slots=True)
class PrivateAzurite:
    """Its port on loopback; the account is that of the tests."""

    port: int

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def request(self, method: str, target: str) -> int:
        """Make a signed request without a body and return its status."""
        headers = {
            "x-ms-date": formatdate(usegmt=True),
            "x-ms-version": API_VERSION,
            "content-length": "0",
        }
        signature = signature_of(method, target, headers)
        headers["authorization"] = f"SharedKey {ACCOUNT}:{signature}"
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        connection.request(method, target, headers=headers)
        status = connection.getresponse().status
        connection.close()
        return status

    def new_place(self, url: str = "") -> AzurePlace:
        """Return a place in a new container."""
        name = f"mooring-{uuid4().hex[:12]}"
        assert self.request("PUT", f"/{ACCOUNT}/{name}?restype=container") == 201
        return AzurePlace(name, "db", url or f"http://127.0.0.1:{self.port}", account=ACCOUNT)


@contextmanager
def private_azurite(home: Path) -> Iterator[PrivateAzurite]:
    folder, port = azurite_folder(), free_port()
    argv = [
        str(folder / "node/bin/node"),
        str(folder / "node_modules/azurite/dist/src/blob/main.js"),
    ]
    argv += ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
    # It would report its use to its makers.
    argv += ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    log = home / "azurite.log"
    environment = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{ACCOUNT_KEY}"}
    with log.open("wb") as file:
        process = subprocess.Popen(argv, stdout=file, stderr=file, cwd=home, env=environment)
    azurite = PrivateAzurite(port)
    try:
        _wait_for(azurite, process, log)
        yield azurite
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _wait_for(azurite: PrivateAzurite, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            azurite.request("GET", f"/{ACCOUNT}?comp=list")
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(log.read_text("utf-8", "replace")[-800:])
