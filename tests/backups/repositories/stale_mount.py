"""A mount whose server no longer knows it, as a program: python stale_mount.py FOLDER

A file system in user space that answers every request with ESTALE, as an NFS server does after its
export has moved to another disk. It speaks the protocol itself: no library sends that error.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from backups.repositories.mounts import resolve

INIT, FORGET, INTERRUPT = 26, 2, 36
REQUEST = struct.Struct("=IIQQIIII")
ANSWER = struct.Struct("=IiQ")
# Version 7.19 and no optional features.
INIT_ANSWER = struct.pack("=IIIIHHI", 7, 19, 65536, 0, 8, 6, 65536)


def serve(point: str) -> None:
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"stale", point.encode(), b"fuse.stale", 0, options.encode()):
        sys.exit(os.strerror(ctypes.get_errno()))
    while True:
        _, kind, unique, *_ = REQUEST.unpack(os.read(device, 1 << 18)[: REQUEST.size])
        if kind == INIT:
            os.write(device, ANSWER.pack(ANSWER.size + len(INIT_ANSWER), 0, unique) + INIT_ANSWER)
        elif kind not in {FORGET, INTERRUPT}:
            os.write(device, ANSWER.pack(ANSWER.size, -errno.ESTALE, unique))


@contextlib.contextmanager
def stale_mount(point: Path) -> Iterator[None]:
    point.mkdir()
    server = subprocess.Popen([sys.executable, __file__, str(point)])
    try:
        while (mount := resolve(str(point)).mount) is None or not mount.is_remote:
            assert server.poll() is None
        yield
    finally:
        server.kill()
        server.wait()
        subprocess.run(["umount", "--lazy", str(point)], check=True)


if __name__ == "__main__":
    serve(sys.argv[1])
