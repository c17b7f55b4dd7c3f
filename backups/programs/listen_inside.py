"""Run as a program: listen where a confined server can connect, pass the socket on, run the server.

Stand-alone, without a package: it runs within the walls, where only Python itself is.
"""

from __future__ import annotations

import os
import socket
import sys


def main(link_number: str, *command: str) -> None:
    """Send a listening socket over ``link_number``, and become ``command``."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(fileno=int(link_number)) as link,
    ):
        socket.send_fds(link, [b"."], [listener.fileno()])
    os.execvp(command[0], command)  # noqa: S606  # nosec B606


if __name__ == "__main__":
    main(*sys.argv[1:])
