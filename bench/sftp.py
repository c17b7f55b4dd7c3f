"""How fast do packs go to an SFTP server, beside OpenSSH's own program? python -m bench.sftp

A private sshd on this machine, all files in memory: its cipher takes as much of the processor
as ours, so ratios count. Frames of 4 MiB, as the pipeline writes and a restore reads them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from backups.repositories.sftp.place import SftpPlace
from backups.repositories.sftp.store import SftpStore
from backups.runners import SshTarget
from backups.runners.sftp import SftpDialer
from tests.live.sshd import private_sshd

MIB = 1 << 20
FRAME_BYTES = 4 * MIB
MEMORY = Path("/dev/shm")
READERS = 2


def store_writes(store: SftpStore, content: bytes) -> None:
    with store.create("mooring") as upload:
        for start in range(0, len(content), FRAME_BYTES):
            upload.write(content[start : start + FRAME_BYTES])
        upload.commit()


def store_reads(store: SftpStore, content: bytes) -> None:
    with ThreadPoolExecutor(READERS) as readers:
        starts = range(0, len(content), FRAME_BYTES)
        for piece in readers.map(lambda at: store.read("mooring", at, FRAME_BYTES), starts):
            assert len(piece) == FRAME_BYTES


def program(target: SshTarget, command: str) -> None:
    options = {"UserKnownHostsFile": target.known_hosts, "IdentityFile": target.identity_file}
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    address = f"{target.user}@{target.host}"
    argv = ["sftp", "-q", "-b", "-", "-P", str(target.port), *words, address]
    subprocess.run(argv, input=command.encode(), check=True, stdout=subprocess.DEVNULL)


def report(name: str, mib: int, work: Callable[[], None]) -> None:
    began = time.perf_counter()
    work()
    print(f"{name:15} {mib / (time.perf_counter() - began):7.1f} MiB/s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    content = os.urandom(asked.mib * MIB)
    with (
        tempfile.TemporaryDirectory(prefix="mooring-sftp-", dir=MEMORY) as folder,
        private_sshd(Path(folder) / "sshd") as target,
    ):
        here, there = Path(folder) / "here", Path(folder) / "there"
        there.mkdir()
        here.write_bytes(content)
        place = SftpPlace(target.user, target.host, str(there), target.port)
        store = SftpStore(place, SftpDialer(target, lambda host, port: None))
        for _ in range(asked.rounds):
            report("mooring writes", asked.mib, lambda: store_writes(store, content))
            report("sftp writes", asked.mib, lambda: program(target, f"put {here} {there}/sftp"))
            report("mooring reads", asked.mib, lambda: store_reads(store, content))
            report("sftp reads", asked.mib, lambda: program(target, f"get {there}/sftp {here}"))
            store.remove("mooring")


if __name__ == "__main__":
    main()
