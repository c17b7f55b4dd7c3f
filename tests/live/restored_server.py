"""A server on what was restored."""

from __future__ import annotations

from pathlib import Path

from backups.programs.private_server import PrivateServer, ServerOptions
from tests.live.server import LiveServer


class RestoredServer:
    """A server on restored files, without a login."""

    def __init__(self, folder: Path) -> None:
        self._server = PrivateServer(folder, ServerOptions(skip_grant_tables=True))

    def __enter__(self) -> LiveServer:
        self._server.start()
        return LiveServer(self._server, "", 0)

    def __exit__(self, *_: object) -> None:
        self._server.stop()
