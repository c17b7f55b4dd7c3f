"""A Mooring in this process that knows nothing yet, and what its archive has of a source."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management import call_command

from backups.archive.keys import create_key_file
from backups.binlog_archive.reader import ArchivedBinlogs
from backups.binlog_archive.receiving import process as receivers
from backups.binlog_archive.spool import spool_file
from backups.exceptions import MooringError
from backups.keys.load import load_keys
from backups.models import BinlogArchive, BinlogSegment, Instance, Repository
from bench.binlog_programs import mariadb_binlog
from tests.backups.conftest import make_repository
from tests.live.archiving import archive_files
from tests.live.binlog_receiving import archive_of, present
from tests.live.binlog_source import PASSWORD, USER, BinlogSource, masked
from tests.live.forks import Forks
from tests.live.mariadb_plugins import plugin_folder
from tests.live.mooring_site import wait_until
from tests.live.mysql import program
from tests.live.replaying import Archive
from tests.settings import TEST_HOME

# On a busy machine, after a kill, with megabytes to catch up.
PATIENCE = 300.0
# MySQL's encrypted files begin with a header that is not sent.
ENCRYPTION_HEADER = 512


def set_up() -> None:
    """Make the database, and look at everything more often than an operator needs."""
    call_command("migrate", verbosity=0)
    settings.MARIADB_PLUGIN_FOLDER = str(plugin_folder())
    receivers.CLAIM_SECONDS = receivers.PROBE_SECONDS = receivers.STORE_SECONDS = 0.5


def begin(folder: Path, *, encrypted: bool = True) -> Repository:
    """Forget everything; return a repository in ``folder``, with a key of its own."""
    call_command("flush", interactive=False, verbosity=0)
    shutil.rmtree(settings.BINLOG_SPOOL, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    settings.BACKUP_KEY_TEXT = ""
    settings.BACKUP_KEY_FILE = folder / "backup-key" / "backup.key"
    settings.SCRATCH_FOLDER = folder / "scratch"
    settings.MYSQLD = program("mysqld")
    create_key_file(settings.BACKUP_KEY_FILE)
    return make_repository("main", folder / "main", encrypted=encrypted)


def archived_bank(
    filled: Archive, folder: Path, *, in_spool: int, encrypted: bool = True
) -> tuple[Instance, Repository]:
    """Archive the files of a bank; the last ``in_spool`` of them are only received."""
    repository = begin(folder, encrypted=encrypted)
    instance = Instance(name="shop-1", flavour=filled.flavour, port=3306)
    instance.set_password("unused")
    instance.save()
    archive_files(instance, repository, filled.binlogs.folder, in_spool=in_spool)
    for segment in BinlogSegment.objects.select_related("timeline"):
        # The newest one of those that are stored waits for the next round.
        spool_file(segment.timeline, segment.file).unlink(missing_ok=True)
    return instance, repository


def archive(source: BinlogSource, repository: Repository) -> BinlogArchive:
    """Give a source an archive that is stored in a repository."""
    row = archive_of(source.instance())
    row.repositories.add(repository)
    return row


@contextmanager
def processes(log: Path) -> Iterator[Forks]:
    """Start commands in processes of their own, which use this Mooring."""
    environment = {**os.environ, "MOORING_BACKUP_KEY_FILE": str(settings.BACKUP_KEY_FILE)}
    forks = Forks({**environment, "MOORING_HOME": TEST_HOME}, log)
    try:
        yield forks
    finally:
        forks.close()


def wait_for_all(source: BinlogSource, header: int = 0) -> None:
    """Wait until everything that the source has is received."""
    name, size = source.files()[-1]

    def received() -> bool:
        row = BinlogArchive.objects.get()
        return (row.received_file, row.received_position or 0) >= (name, size - header)

    wait_until(received, PATIENCE)


def files_of(source: BinlogSource, first: str) -> dict[str, bytes]:
    """Return the source's files from ``first`` on, as they are on its disk."""
    return {name: source.binlog(name) for name, _ in source.files() if name >= first}


def sent_files(source: BinlogSource, first: str, folder: Path) -> dict[str, bytes]:
    """Return what the server's own program receives of its files: for encrypted ones."""
    folder.mkdir()
    login = folder / "login.cnf"
    login.write_text(f"[client]\nuser={USER}\npassword={PASSWORD}\nhost=127.0.0.1\n")
    tool = program("mysqlbinlog") if source.flavour == "mysql" else mariadb_binlog()
    words = [f"--defaults-file={login}", f"--port={source.port}", "--read-from-remote-server"]
    words += ["--raw", "--to-last-log", f"--result-file={folder}/", first]
    subprocess.run([tool, *words], check=True, capture_output=True)
    login.unlink()
    found = {path.name: masked(path.read_bytes()) for path in sorted(folder.iterdir())}
    shutil.rmtree(folder)
    return found


def differing(expected: Mapping[str, bytes]) -> list[str]:
    """Return in which files the archive, stored pieces and spool together, has other bytes."""
    binlogs = ArchivedBinlogs(present(), load_keys())
    found = []
    for name, content in expected.items():
        try:
            archived = masked(b"".join(binlogs.read(name, 0, len(content))))
        except MooringError as exc:
            found.append(f"{name}: {exc}")
            continue
        if archived != content:
            at = next(
                at for at, (a, b) in enumerate(zip(archived, content, strict=False)) if a != b
            )
            found.append(f"{name}: other bytes from {at} on")
    return found
