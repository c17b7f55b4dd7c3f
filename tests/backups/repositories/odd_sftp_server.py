"""An SFTP server that goes wrong, as a program: python odd_sftp_server.py WAY [FILE]

``text``: prints what a login shell might. ``names NAME``: lists NAME in every folder. ``cut FILE``:
a real server, whose connection is cut when it has renamed a file and before it says so, once: then
FILE exists. ``deaf WORD``: a real server that gets no look at a path with WORD in it, and all else.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import IO

VERSION = b"\x00\x00\x00\x05\x02\x00\x00\x00\x03"
OPENDIR, READDIR, RENAME, LSTAT = 11, 12, 18, 7
FOLDER = b"\x00\x00\x00\x04\x00\x00\x41\xed"


def packets(stream: IO[bytes]) -> tuple[bytes, bytes]:
    """Return the next packet, as it is and without its length."""
    length = stream.read(4)
    body = stream.read(int.from_bytes(length, "big"))
    if not body:
        sys.exit(0)
    return length + body, body


def answer(kind: int, body: bytes, content: bytes) -> None:
    whole = bytes([kind]) + body[1:5] + content
    sys.stdout.buffer.write(len(whole).to_bytes(4, "big") + whole)
    sys.stdout.buffer.flush()


def text(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def list_names(name: bytes) -> None:
    packets(sys.stdin.buffer)
    sys.stdout.buffer.write(VERSION)
    sys.stdout.buffer.flush()
    while True:
        _, body = packets(sys.stdin.buffer)
        if body[0] == OPENDIR:
            answer(102, body, text(b"h"))
        elif body[0] == READDIR:
            answer(104, body, (1).to_bytes(4, "big") + text(name) + text(name) + FOLDER)
        elif body[0] == LSTAT:
            answer(105, body, FOLDER)
        else:
            answer(101, body, bytes(4) + text(b"") + text(b""))


def proxy(once: Path | None = None, deaf: bytes = b"") -> None:
    server = subprocess.Popen(
        ["/usr/lib/openssh/sftp-server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdin is not None and server.stdout is not None
    while True:
        whole, body = packets(sys.stdin.buffer)
        if deaf and body[0] == LSTAT and deaf in body:
            continue
        server.stdin.write(whole)
        server.stdin.flush()
        response, _ = packets(server.stdout)
        if body[0] == RENAME and once is not None and not once.exists():
            once.touch()
            server.kill()
            sys.exit(1)
        sys.stdout.buffer.write(response)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    way, *more = sys.argv[1:]
    if way == "text":
        print("Welcome to the NAS. Have a nice day.", flush=True)
        sys.stdin.read()
    elif way == "names":
        list_names(more[0].encode())
    elif way == "deaf":
        proxy(deaf=more[0].encode())
    else:
        proxy(once=Path(more[0]))
