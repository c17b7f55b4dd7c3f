"""A mount of another process, which can be frozen: whoever looks into it then hangs in the kernel.

A folder is shown elsewhere by ``bindfs``, a FUSE file system. A real NFS or SMB mount hangs in the
same way; a kernel of a test machine may have neither.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backups.repositories.directory import DirectoryStore
from backups.repositories.mounts import resolve


@dataclass
class HeldMount:
    # Where the files are, and where they are shown.
    behind: Path
    point: Path
    server: subprocess.Popen[bytes]

    def store(self) -> DirectoryStore:
        return DirectoryStore(self.point)

    def freeze(self) -> None:
        os.kill(self.server.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.server.pid, signal.SIGCONT)

    def kill(self) -> None:
        self.server.kill()
        self.server.wait()


@contextlib.contextmanager
def held_mount(behind: Path, point: Path) -> Iterator[HeldMount]:
    behind.mkdir()
    point.mkdir()
    # Without caches of the kernel: every call is one to the server.
    options = ["-o", "attr_timeout=0,entry_timeout=0,negative_timeout=0"]
    server = subprocess.Popen(["bindfs", "-f", *options, str(behind), str(point)])
    try:
        while not _is_mounted(point):
            assert server.poll() is None
        yield HeldMount(behind, point, server)
    finally:
        server.kill()
        server.wait()
        subprocess.run(["umount", "--lazy", str(point)], check=True)


def _is_mounted(point: Path) -> bool:
    mount = resolve(str(point)).mount
    return mount is not None and mount.is_remote
