"""Do chains of real servers under load restore, byte for byte, what the engine sent?

The stream of each copy goes to two writers: one that is based on the last backup, and one that
stores everything. What the two restore has to be the same.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pytest_django import Settings

from backups.archive.blocks.consolidate import consolidate
from backups.archive.blocks.differences import Differences
from backups.archive.blocks.full_blocks import FullBlocks
from backups.archive.blocks.reading import StoredTable
from backups.archive.cipher import AesGcm
from backups.archive.contents import Contents
from backups.archive.extract import extract
from backups.archive.manifest import new_envelope, seal_manifest
from backups.archive.meter import Meter
from backups.archive.reader import BackupReader
from backups.archive.records import Record
from backups.engines import ENGINES, CopyRequest, Engine
from backups.engines.base import Login
from backups.instances.grants import NEEDED
from backups.models import Backup
from backups.programs.compatibility import CLONE, MARIADB_BACKUP
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.repositories.base import ObjectStore
from backups.repositories.layout import backup_folder, manifest_name
from backups.runners import LocalRunner
from tests.backups.archive.stores import (
    INSTANCE,
    KEYRING,
    make_store,
    make_writer,
    never_stop,
)
from tests.backups.conftest import make_repository
from tests.commands import run_command
from tests.live import clone_jobs, mysql_load
from tests.live.bank import TOTAL, Teller, open_bank, sum_of, unsound_tables
from tests.live.mysql import PrivateMysql
from tests.live.observer import Diary
from tests.live.server import free_port, new_mariadb
from tests.live.test_first_backup import PASSWORD, add_instance

pytestmark = pytest.mark.live

LINKS = 4


class TwoWays:
    """Backups of one stream each: one of a chain, and one that stands alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store: ObjectStore = make_store(folder / "repository")
        self.chain: list[BackupReader] = []

    def add(self, records: Iterator[Record]) -> tuple[Contents, Contents]:
        number = len(self.chain)
        base = StoredTable(self.chain[-1]) if self.chain else None
        with ExitStack() as failed:
            writers = []
            for name, goes_on in ((f"link{number}", base), (f"alone{number}", None)):
                key, identity = os.urandom(32), uuid.uuid4()
                writer = make_writer(
                    [self.store],
                    label=name,
                    backup=identity,
                    cipher=AesGcm(key),
                    base=goes_on,
                    differences=Differences(FullBlocks(self.chain[0])) if goes_on else None,
                )
                failed.callback(writer.abort)
                writers.append((name, key, identity, writer))
            for record in records:
                for *_, writer in writers:
                    writer.write(record)
            contents = [writer.finish() for *_, writer in writers]
            failed.pop_all()
        for (name, key, identity, _), stored in zip(writers, contents, strict=True):
            self._write_manifest(name, identity, key, stored)
        self.chain.append(self._open(f"link{number}"))
        return contents[0], contents[1]

    def difference_frames(self) -> int:
        tables = [reader.manifest.contents.blocks for reader in self.chain]
        return sum(table.differences for table in tables if table is not None)

    def _write_manifest(self, name: str, identity: UUID, key: bytes, stored: Contents) -> None:
        envelope = new_envelope(identity, name, key, KEYRING.current)
        about = {"uuid": str(identity), "label": name}
        with self.store.create(manifest_name(backup_folder(INSTANCE, name))) as upload:
            upload.write(seal_manifest(envelope, about, stored, AesGcm(key)))
            upload.commit()

    def _open(self, name: str) -> BackupReader:
        return BackupReader(self.store, backup_folder(INSTANCE, name), KEYRING)

    def consolidate(self, number: int) -> None:
        """Make a full backup of a link: it has to be what was stored alone."""
        name, key, identity = f"made{number}", os.urandom(32), uuid.uuid4()
        contents = consolidate(
            self.chain[: number + 1],
            [self.store],
            backup_folder(INSTANCE, name),
            backup=identity,
            cipher=AesGcm(key),
            threads=2,
            level=1,
            check=never_stop,
            meter=Meter(),
        )
        self._write_manifest(name, identity, key, contents)
        assert not contents.needs_others
        self._assert_same([self._open(name)], number)

    def assert_equal(self, number: int) -> None:
        self._assert_same(self.chain[: number + 1], number)

    def _assert_same(self, chain: Sequence[BackupReader], number: int) -> None:
        one = self._extract(chain, f"chain{number}")
        two = self._extract([self._open(f"alone{number}")], f"whole{number}")
        files = [sorted(p.relative_to(f) for p in f.rglob("*") if p.is_file()) for f in (one, two)]
        assert files[0] == files[1]
        assert [str(p) for p in files[0] if (one / p).read_bytes() != (two / p).read_bytes()] == []
        shutil.rmtree(one)
        shutil.rmtree(two)

    def _extract(self, chain: Sequence[BackupReader], name: str) -> Path:
        target = self.folder / name
        target.mkdir()
        extract(chain, target, threads=2, check=never_stop, meter=Meter())
        return target


@contextmanager
def copied(engine: Engine[Any], login: Login, spool: Path) -> Iterator[Iterator[Record]]:
    request = CopyRequest(
        login, LocalRunner(), engine.options(), threads=2, sealed=True, spool_folder=spool
    )
    with engine.copy(request, Diary()) as copy:
        yield copy.records()
        copy.facts()


def test_a_mysql_under_load_and_ddl(tmp_path: Path) -> None:
    two_ways = TwoWays(tmp_path)
    with PrivateMysql(tmp_path / "data", {"log-bin": "binlog", "sync-binlog": "0"}) as server:
        server.execute(*clone_jobs.USER)
        mysql_load.prepare(server)
        login = Login("bk", clone_jobs.PASSWORD, port=server.port)
        sizes = []
        with mysql_load.Load(server) as load:
            for _ in range(LINKS):
                time.sleep(1)
                with copied(ENGINES[CLONE], login, tmp_path) as records:
                    sizes.append(two_ways.add(records))
        assert load.errors == []
    for number in range(LINKS):
        two_ways.assert_equal(number)
    for number in range(1, LINKS):
        two_ways.consolidate(number)
    assert all(link.raw_bytes < alone.raw_bytes for link, alone in sizes[1:])
    assert two_ways.difference_frames() > 0


DDL = (
    "USE bank",
    "CREATE OR REPLACE TABLE bank.swap_a (id INT PRIMARY KEY, t TEXT)",
    "CREATE OR REPLACE TABLE bank.swap_b (id INT PRIMARY KEY, t TEXT)",
    "INSERT INTO bank.swap_a SELECT seq, REPEAT('a', 900) FROM seq_1_to_3000",
    "INSERT INTO bank.swap_b SELECT seq, REPEAT('b', 900) FROM seq_1_to_3000",
    "RENAME TABLE bank.swap_a TO bank.x, bank.swap_b TO bank.swap_a, bank.x TO bank.swap_b",
    "TRUNCATE TABLE bank.swap_a",
    "ALTER TABLE bank.notes FORCE",
)


def maria(folder: Path) -> PrivateServer:
    options = {"innodb-log-file-size": "8M", "innodb-flush-log-at-trx-commit": "2"}
    return PrivateServer(folder, ServerOptions(port=free_port(), binlog=True, options=options))


def test_a_mariadb_under_load_restarted_and_put_back(tmp_path: Path) -> None:
    data, two_ways = tmp_path / "data", TwoWays(tmp_path)
    new_mariadb(data)
    with maria(data) as server:
        with server.connect() as root, root.cursor() as cursor:
            open_bank(root)
            cursor.execute("CREATE USER bk@'127.0.0.1' IDENTIFIED BY %s", (PASSWORD,))
            cursor.execute(f"GRANT {', '.join(NEEDED)} ON *.* TO bk@'127.0.0.1'")
        take_two(server, two_ways, tmp_path)
    shutil.copytree(data, tmp_path / "older")
    with maria(data) as server:
        change_tables(server)
        take_two(server, two_ways, tmp_path)
    # Put back to the older copy, as a restore by hand would: same server, and LSNs go on.
    shutil.rmtree(data)
    (tmp_path / "older").rename(data)
    with maria(data) as server:
        take_two(server, two_ways, tmp_path)
        change_tables(server)
        take_two(server, two_ways, tmp_path)
    for number in range(len(two_ways.chain)):
        two_ways.assert_equal(number)
    assert two_ways.difference_frames() > 0
    for number in range(1, len(two_ways.chain)):
        two_ways.consolidate(number)


def take_two(server: PrivateServer, two_ways: TwoWays, folder: Path) -> None:
    login = Login("bk", PASSWORD, port=server.settings.port or 0)
    with Teller(server.connect):
        for _ in range(2):
            with copied(ENGINES[MARIADB_BACKUP], login, folder) as records:
                two_ways.add(records)


def change_tables(server: PrivateServer) -> None:
    with server.connect() as root, root.cursor() as cursor:
        for statement in DDL:
            cursor.execute(statement)


@pytest.mark.django_db(transaction=True)
def test_a_chain_of_a_busy_server_by_the_commands(tmp_path: Path, settings: Settings) -> None:
    settings.BACKUP_KEY_TEXT = ""
    settings.BACKUP_KEY_FILE = tmp_path / "backup.key"
    settings.SCRATCH_FOLDER = tmp_path / "scratch"
    assert run_command("createbackupkey").exit_code == 0
    make_repository("main", tmp_path / "main")
    new_mariadb(tmp_path / "data")
    with maria(tmp_path / "data") as server:
        with server.connect() as root, root.cursor() as cursor:
            open_bank(root)
            cursor.execute("CREATE USER bk@'127.0.0.1' IDENTIFIED BY %s", (PASSWORD,))
            cursor.execute(f"GRANT {', '.join(NEEDED)} ON *.* TO bk@'127.0.0.1'")
        add_instance(server)
        with Teller(server.connect):
            labels = [take(kind) for kind in ("full", "incremental", "incremental", "differential")]
    full, first, second, differential = (Backup.objects.get(label=label) for label in labels)
    assert (first.base, second.base, differential.base) == (full, first, full)
    assert second.stored_bytes and full.stored_bytes
    assert second.stored_bytes < full.stored_bytes
    for label in (second.label, differential.label):
        assert run_command("verifybackup", label, "--foreground").exit_code == 0
        assert run_command("testrestore", label, "--foreground").exit_code == 0
        target = tmp_path / label
        words = [label, "--to", str(target), "--foreground", "--json"]
        ended = run_command("restorebackup", *words)
        assert ended.exit_code == 0, ended.stdout
        with PrivateServer(target, ServerOptions()) as restored, restored.connect() as root:
            assert unsound_tables(root) == []
            assert sum_of(root) == TOTAL
    # The server is gone: a full backup of the chain's last moment needs none.
    ended = run_command("consolidatebackup", second.label, "--foreground", "--json")
    assert (ended.exit_code, ended.json()["error"]) == (0, "")
    made = Backup.objects.get(consolidated_from=second.label)
    assert (made.kind, made.started_at) == ("full", second.started_at)
    assert run_command("verifybackup", made.label, "--foreground").exit_code == 0
    for label in reversed(labels):
        assert run_command("purgebackup", label, "--foreground").exit_code == 0
    assert run_command("verifybackup", made.label, "--pages", "--foreground").exit_code == 0
    assert run_command("testrestore", made.label, "--foreground").exit_code == 0


def take(kind: str) -> str:
    ended = run_command("takebackup", "bank-1", "--kind", kind, "--foreground", "--json")
    assert ended.exit_code == 0, ended.stdout
    return str(ended.json()["label"])
