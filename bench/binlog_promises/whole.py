"""Does the whole path work for every kind of binary log: from the backup to the replay?"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

from backups.models.binlog import ReceiverState
from backups.programs.private_server import PrivateServer
from bench.binlog_promises.home import ENCRYPTION_HEADER, PATIENCE, begin, wait_for_all
from bench.binlog_promises.received import standing
from bench.binlog_promises.round import Round
from bench.measure import BenchError
from tests.commands import run_command
from tests.live import clone_jobs, mysql_load, odd_statements
from tests.live.bank import Teller, open_bank
from tests.live.binlog_options import COMPRESSED, encrypting
from tests.live.binlog_receiving import receiving
from tests.live.binlog_source import BinlogSource, binlog_source
from tests.live.faults import USER, add_instance
from tests.live.mooring_site import wait_until
from tests.live.mysql import PrivateMysql
from tests.live.restored_server import RestoredServer
from tests.live.server import LiveServer

KINDS = ("plain", "compressed", "encrypted", "encrypted and compressed")
OPTIONS = {"max_binlog_size": "1M", "event_scheduler": "OFF"}
WRITE_SECONDS = 1.5
ODD_CHECKSUMS = odd_statements.CHECKSUMS
# Any: SQL's values.
Checksums = list[tuple[Any, ...]]


def whole_path(work: Round) -> None:
    """Backup under load, odd statements after it, and the restored rows are the source's."""
    for number in range(work.count):
        for kind in KINDS:
            folder = work.folder / f"{kind.replace(' ', '-')}-{number}"
            begin(folder)
            options = dict(OPTIONS)
            if "compressed" in kind:
                options |= COMPRESSED[work.product]
            if "encrypted" in kind:
                options |= encrypting(folder, work.product)
            settings.MARIADB_KEY_FILE = options.get("file_key_management_filename", "")
            with binlog_source(folder / "data", work.product, **options) as source:
                header = ENCRYPTION_HEADER if "encrypted" in kind else 0
                path = _mysql if work.product == "mysql" else _mariadb
                wanted, found = path(source, folder, header)
            work.expect(found == wanted, f"{kind}: {found}, those of the source are {wanted}")
            work.tried += 1


def _mariadb(source: BinlogSource, folder: Path, _header: int) -> tuple[Checksums, Checksums]:
    assert isinstance(source.server, PrivateServer)
    live = LiveServer(source.server, "127.0.0.1", source.port)
    with source.connect() as connection:
        open_bank(connection)
        odd_statements.run(connection, *odd_statements.SCHEMA)
    add_instance(live)
    source.execute(f"GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO {USER}@'127.0.0.1'")
    checks = f"{ODD_CHECKSUMS}, bank.accounts, bank.moves, bank.notes"

    def load() -> None:
        with Teller(source.connect):
            _take("orders-1")
            time.sleep(WRITE_SECONDS)
        odd_statements.fill(source.connect, source.server.folder, odd_statements.MARIADB_MORE)

    target, wanted = _there_and_back(source, "orders-1", folder, load, checks, 0)
    with RestoredServer(target) as restored:
        return wanted, restored.execute(checks)


def _mysql(source: BinlogSource, folder: Path, header: int) -> tuple[Checksums, Checksums]:
    donor = source.server
    assert isinstance(donor, PrivateMysql)
    donor.execute(*clone_jobs.USER, *odd_statements.SCHEMA)
    donor.execute("GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO bk@'127.0.0.1'")
    mysql_load.prepare(donor)
    clone_jobs.add_instance(donor)
    checks = f"{ODD_CHECKSUMS}, bank.account, bank.log"

    def load() -> None:
        with mysql_load.Load(donor, writers=3, ddl=False):
            _take("bank-1")
            time.sleep(WRITE_SECONDS)
        odd_statements.fill(source.connect, donor.folder, odd_statements.MYSQL_MORE)

    target, wanted = _there_and_back(source, "bank-1", folder, load, checks, header)
    with PrivateMysql(target, clone_jobs.start_options(target)) as restored:
        return wanted, restored.execute(checks)


def _there_and_back(
    source: BinlogSource,
    instance: str,
    folder: Path,
    load: Callable[[], None],
    checks: str,
    header: int,
) -> tuple[Path, Checksums]:
    """Archive and load a source; restore to where it is then, and return its checksums."""
    _succeed("archivebinlogs", instance, "--repository", "main")
    with receiving():
        wait_until(lambda: standing() == ReceiverState.RECEIVING, PATIENCE)
        load()
        wanted = source.execute(checks)
        wait_for_all(source, header)
    file, size = source.files()[-1]
    target = folder / "restored"
    place = f"{file}:{size - header}"
    words = ("--to", str(target), "--until-file-pos", place, "--foreground")
    _succeed("restorebackup", instance, *words)
    return target, wanted


def _take(instance: str) -> None:
    _succeed("takebackup", instance, "--foreground")


def _succeed(*words: str) -> None:
    ended = run_command(*words, "--json")
    if ended.exit_code:
        said = ended.json() if ended.stdout else {"error": ended.stderr}
        raise BenchError(f"{' '.join(words)}: {said.get('error')} {said.get('hint', '')}")
