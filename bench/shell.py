"""What would a person do without Mooring? The pipelines it is compared with.

The engine is called with the very words that Mooring calls it with. A shell's pipelines leave
their file to the page cache; Mooring syncs its own before a backup counts.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from backups.engines.base import Login
from backups.engines.mariadb_backup.command import (
    SETTINGS,
    TOOL,
    backup_argv,
    build_settings,
    prepare_argv,
)
from backups.engines.mariadb_backup.shaping import SETTINGS_FILE
from bench.chain import run_chain
from bench.measure import BenchError

ZSTD = ("zstd", "-q", "-1")
OPENSSL = ("openssl", "enc", "-aes-256-ctr", "-pbkdf2")


class Shell:
    """Pipelines that write into ``folder``. Every method returns processor seconds."""

    def __init__(self, folder: Path, logs: Path, *, threads: int) -> None:
        self._folder, self._logs, self._threads = folder, logs, threads
        self._zstd = (*ZSTD, f"-T{threads}")
        self._password = _secret(folder / "openssl.password", "only as long as it has to be\n")

    def discard(self, login: Login) -> float:
        """The engine alone: no pipeline is faster than what it makes."""
        return run_chain([self._engine(login)], logs=self._logs)

    def compress(self, login: Login, sink: Path) -> float:
        return run_chain([self._engine(login), self._zstd], logs=self._logs, sink=sink)

    def compress_changes(self, login: Login, sink: Path, *, since_lsn: int | None) -> float:
        """The tool's own incremental backup: pages with a newer LSN; all of them with ``None``."""
        since = [] if since_lsn is None else [f"--incremental-lsn={since_lsn}"]
        # What the next one begins with is noted there.
        engine = [*self._engine(login), *since, f"--extra-lsndir={self._folder}"]
        return run_chain([engine, self._zstd], logs=self._logs, sink=sink)

    def changes_reach_to(self) -> int:
        """Return the LSN of the last of ``compress_changes``."""
        for name in ("mariadb_backup_checkpoints", "xtrabackup_checkpoints"):
            if (path := self._folder / name).exists():
                facts = dict(line.split(" = ") for line in path.read_text("utf-8").splitlines())
                return int(facts["to_lsn"])
        raise BenchError(f"{self._folder} has no checkpoints of {TOOL}")

    def restore_changes(self, sources: Sequence[Path], target: Path) -> float:
        """A full backup and what changed since, one prepare for each."""
        cpu_s = self.extract(sources[0], target) + self._prepare(target)
        for source in sources[1:]:
            changes = target.with_name("changes")
            cpu_s += self.extract(source, changes) + self._prepare(target, changes)
            shutil.rmtree(changes)
        return cpu_s

    def compress_seal_hash(self, login: Login, sink: Path) -> float:
        """Do what Mooring does: compress, encrypt, hash."""
        openssl = (*OPENSSL, "-pass", f"file:{self._password}")
        return run_chain(
            [self._engine(login), self._zstd, openssl, ("tee",)],
            logs=self._logs,
            sink=sink,
            aside=("sha256sum",),
            aside_sink=sink.with_suffix(".sha256"),
        )

    def extract(self, source: Path, target: Path) -> float:
        target.mkdir(mode=0o700)
        mbstream = ("mbstream", "-x", f"-p{self._threads}", "-C", str(target))
        return run_chain([("zstd", "-q", "-d", "-c"), mbstream], logs=self._logs, source=source)

    def rewrite(self, sources: Sequence[Path], sink: Path) -> float:
        """Read files and write their bytes again, synced as Mooring does."""
        words = ("cat", *map(str, sources))
        read = run_chain([words], logs=self._logs, sink=sink)
        return read + run_chain([("sync", str(sink))], logs=self._logs)

    def dump(self, socket: Path, sink: Path) -> float:
        words = ("--no-defaults", f"--socket={socket}", "--user=root")
        dump = ("mariadb-dump", *words, "--single-transaction", "--all-databases")
        return run_chain([dump, self._zstd], logs=self._logs, sink=sink)

    def load(self, source: Path, socket: Path) -> float:
        client = ("mariadb", "--no-defaults", f"--socket={socket}", "--user=root")
        return run_chain([("zstd", "-q", "-d", "-c"), client], logs=self._logs, source=source)

    def prepare_with(self, target: Path, memory_bytes: int) -> float:
        words = prepare_argv(target, settings=target / SETTINGS_FILE, memory_bytes=memory_bytes)
        return run_chain([words], logs=self._logs)

    def _prepare(self, target: Path, changes: Path | None = None) -> float:
        more = [] if changes is None else [f"--incremental-dir={changes}"]
        words = [TOOL, "--no-defaults", "--prepare", f"--target-dir={target}", *more]
        return run_chain([words], logs=self._logs)

    def _engine(self, login: Login) -> list[str]:
        settings = _secret(self._folder / "engine.cnf", build_settings(login))
        argv = backup_argv(login, threads=self._threads)
        return [word.replace(f"{{{SETTINGS}}}", str(settings)) for word in argv]


def remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
        path.with_suffix(".sha256").unlink(missing_ok=True)


def _secret(path: Path, text: str) -> Path:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return path
