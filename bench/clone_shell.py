"""What would a person do with a MySQL and no Mooring? A local clone and tar, or a dump."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from backups.programs.private_server import PrivateServer
from bench.chain import run_chain
from bench.database import SCHEMA, execute
from bench.shell import ZSTD


class CloneShell:
    """Programs that work beside a MySQL. Methods return processor seconds of the programs."""

    def __init__(self, programs: Path, folder: Path, logs: Path, *, threads: int) -> None:
        """``programs`` is where mysqldump and mysql are."""
        self._programs, self._folder, self._logs = programs, folder, logs
        self._zstd = (*ZSTD, f"-T{threads}")

    @property
    def clone_folder(self) -> Path:
        return self._folder / "local-clone"

    def clone(self, server: PrivateServer) -> None:
        """Have the server clone itself into a folder of its host."""
        execute(server, f"CLONE LOCAL DATA DIRECTORY = '{self.clone_folder}'")

    def clone_and_pack(self, server: PrivateServer, sink: Path) -> float:
        """Clone, and pack that."""
        self.clone(server)
        tar = ("tar", "-C", str(self._folder), "-cf", "-", self.clone_folder.name)
        return run_chain([tar, self._zstd], logs=self._logs, sink=sink)

    def remove_clone(self) -> None:
        shutil.rmtree(self.clone_folder)

    def dump(self, server: PrivateServer, sink: Path) -> float:
        words = ("--single-transaction", "--set-gtid-purged=OFF", "--databases", SCHEMA)
        dump = (*self._client("mysqldump", server), *words)
        return run_chain([dump, self._zstd], logs=self._logs, sink=sink)

    def load(self, source: Path, server: PrivateServer) -> float:
        client = self._client("mysql", server)
        return run_chain([("zstd", "-q", "-d", "-c"), client], logs=self._logs, source=source)

    def _client(self, name: str, server: PrivateServer) -> tuple[str, ...]:
        path = str(self._programs / name)
        return (path, "--no-defaults", f"--socket={server.socket}", "--user=root")


def missing_client(programs: Path) -> str:
    """Return the name of a program that is not there, blank where all are."""
    for name in ("mysqldump", "mysql"):
        if not os.access(programs / name, os.X_OK):
            return name
    return ""
