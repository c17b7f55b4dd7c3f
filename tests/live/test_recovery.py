"""The whole way: a backup taken under load, binlogs archived, restored to one transaction."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings as DjangoSettings

from backups.executor.leftovers import remove_leftovers
from backups.models import Backup, BinlogArchive, Job, JobLogLine, JobStage, KeptRestore
from backups.models.binlog import ReceiverState
from backups.programs.occupant import occupant
from backups.programs.private_server import PrivateServer, ServerOptions
from tests.commands import Ended, run_command
from tests.live import clone_jobs, mysql_load
from tests.live.archiving import archive_files
from tests.live.bank import TOTAL, Teller, open_bank, sum_of
from tests.live.binlog_receiving import receiving
from tests.live.faults import USER, Place, make_place
from tests.live.mooring_site import wait_until
from tests.live.mysql import PrivateMysql
from tests.live.restored_server import RestoredServer
from tests.live.server import LiveServer, free_port, new_mariadb

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

CHECKSUMS = "CHECKSUM TABLE bank.accounts, bank.moves, bank.notes"


@pytest.fixture
def spool(tmp_path: Path, settings: DjangoSettings) -> Path:
    folder = tmp_path / "binlogs"
    settings.BINLOG_SPOOL = folder
    return folder


@pytest.fixture
def own_mariadb(tmp_path: Path) -> Iterator[LiveServer]:
    """Its binlogs are archived whole, so nobody else may write any."""
    new_mariadb(tmp_path / "source")
    port = free_port()
    options = {"max-binlog-size": "256K", "binlog-format": "ROW", "event-scheduler": "OFF"}
    settings = ServerOptions(port=port, binlog=True, server_id=1, options=options)
    with PrivateServer(tmp_path / "source", settings) as server:
        yield LiveServer(server, "127.0.0.1", port)


@pytest.fixture
def bank(own_mariadb: LiveServer, tmp_path: Path, settings: DjangoSettings, spool: Path) -> Place:
    with own_mariadb.server.connect() as connection:
        open_bank(connection)
    return make_place(own_mariadb, tmp_path, settings)


def stages_of(job: int) -> dict[str, tuple[str, str]]:
    rows = JobStage.objects.filter(job=job, parent=None)
    return {each.name: (each.status, each.detail) for each in rows}


def succeeded(ended: Ended) -> dict[str, tuple[str, str]]:
    fields = ended.json()
    assert ended.exit_code == 0, (fields["error"], fields["hint"])
    newest = Job.objects.order_by("-pk").first()
    assert newest is not None
    return stages_of(newest.pk)


@dataclass(frozen=True)
class Dropped:
    """A bank whose table was dropped after a backup, with an archive."""

    place: Place
    label: str
    # Before the drop.
    moment: str
    checksums: list[tuple[Any, ...]]
    # Of the drop, of the creation of a user that is dropped at the end, and the end.
    gtid: str
    creation: str
    end: str


@pytest.fixture
def dropped(bank: Place) -> Dropped:
    server = bank.server
    with Teller(server.server.connect):
        label = bank.label()
        time.sleep(1)
    ((creation,),) = server.execute(
        "CREATE USER later@localhost", "SELECT @@GLOBAL.gtid_binlog_pos"
    )
    checksums = server.execute(CHECKSUMS)
    ((moment,),) = server.execute("SELECT UTC_TIMESTAMP()")
    # MariaDB's commits have whole seconds.
    server.execute("SELECT SLEEP(1.2)", "DROP TABLE bank.notes")
    ((gtid,),) = server.execute("SELECT @@GLOBAL.gtid_binlog_pos")
    server.execute("INSERT INTO bank.moves (note) VALUES ('after the drop')")
    server.execute("DROP USER later@localhost")
    ((file, position, *_),) = server.execute("SHOW MASTER STATUS")
    archive_files(Backup.objects.get(label=label).instance, bank.main, server.folder, in_spool=1)
    return Dropped(
        bank,
        label,
        f"{moment:%Y-%m-%d %H:%M:%S} UTC",
        checksums,
        gtid,
        creation,
        f"{file}:{position}",
    )


class TestMariadb:
    def test_a_dropped_table_comes_back(self, dropped: Dropped) -> None:
        target = dropped.place.folder / "restored"

        stages = succeeded(dropped.place.restore("orders-1", target, "--until", dropped.moment))

        assert stages["find transactions"][0] == stages["replay"][0] == "succeeded"
        assert " transactions, the last " in stages["replay"][1]
        assert "transactions replayed, started once" in stages["hand over"][1]
        with RestoredServer(target) as found:
            assert found.execute(CHECKSUMS) == dropped.checksums
            with found.server.connect() as connection:
                assert sum_of(connection) == TOTAL
            users = {str(row[0]) for row in found.execute("SELECT user FROM mysql.user")}
        assert "later" in users
        assert not any(user.startswith("mooring-") for user in users)
        assert list(target.glob("*relay*")) == []

    def test_what_followed_a_skipped_mistake_is_there_too(self, dropped: Dropped) -> None:
        target = dropped.place.folder / "restored"
        words = ("--until-file-pos", dropped.end, "--skip-gtid", dropped.gtid)

        succeeded(dropped.place.restore(dropped.label, target, *words))

        with RestoredServer(target) as found:
            rows = found.execute("SELECT COUNT(*) FROM bank.moves WHERE note = 'after the drop'")
            assert rows == [(1,)]
            assert found.execute("SELECT COUNT(*) FROM bank.notes") == [(500,)]

    def test_what_was_received_leads_to_the_moment_before_a_mistake(self, bank: Place) -> None:
        server, target = bank.server, bank.folder / "restored"
        server.execute(f"GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO {USER}@'127.0.0.1'")
        archiving = run_command("archivebinlogs", "orders-1", "--repository", "main")
        assert archiving.exit_code == 0, archiving.stderr
        with receiving():
            wait_until(lambda: BinlogArchive.objects.get().state == ReceiverState.RECEIVING)
            bank.label()
            with Teller(server.server.connect):
                time.sleep(1)
            checksums = server.execute(CHECKSUMS)
            server.execute("FLUSH BINARY LOGS", "DROP TABLE bank.notes")
            ((gtid,),) = server.execute("SELECT @@GLOBAL.gtid_binlog_pos")
            ((file, position, *_),) = server.execute("SHOW MASTER STATUS")
            wait_until(lambda: received() == (file, position))

        succeeded(bank.restore("orders-1", target, "--before-gtid", gtid))

        with RestoredServer(target) as found:
            assert found.execute(CHECKSUMS) == checksums

    def test_a_transaction_that_cannot_be_applied_is_left_out_later(self, dropped: Dropped) -> None:
        target, run = dropped.place.folder / "restored", dropped.place.run
        words = ("--until-file-pos", dropped.end, "--skip-gtid", dropped.creation)

        ended = dropped.place.restore(dropped.label, target, *words)

        assert ended.exit_code == 1
        error, left = ended.json()["error"], str(ended.json()["job"])
        assert error.startswith("replay failed: the replay stopped after")
        assert "DROP USER" in error
        kept = KeptRestore.objects.get()
        assert f"the next is {kept.next_gtid} at {kept.next_file}:{kept.next_position}" in error
        assert f"--continue {left}" in ended.json()["hint"]
        # The tick leaves the folder, and measures it.
        remove_leftovers()
        kept.refresh_from_db()
        assert kept.in_order and kept.failed and (kept.bytes or 0) > 10_000_000
        again = run("restorebackup", "--continue", left)
        assert "DROP USER" in again.json()["error"]
        newest = str(again.json()["job"])
        assert run("restorebackup", "--continue", left).exit_code == 3
        words = ("--continue", newest, "--skip-gtid", kept.next_gtid)
        stages = succeeded(run("restorebackup", *words))
        assert "extract" not in stages
        assert stages["take over"][0] == "succeeded"
        assert not KeptRestore.objects.exists()
        assert not Job.objects.filter(leftovers=True).exists()
        with RestoredServer(target) as found:
            rows = found.execute("SELECT COUNT(*) FROM bank.moves WHERE note = 'after the drop'")
            assert rows == [(1,)]
            users = {str(row[0]) for row in found.execute("SELECT user FROM mysql.user")}
        assert not any(user.startswith("mooring-") for user in users)
        assert list(target.glob("*relay*")) + list(target.glob(".mooring*")) == []

    def test_a_kept_folder_is_removed_on_request(self, dropped: Dropped) -> None:
        target, run = dropped.place.folder / "restored", dropped.place.run
        words = ("--until-file-pos", dropped.end, "--skip-gtid", dropped.creation)
        left = str(dropped.place.restore(dropped.label, target, *words).json()["job"])

        (listed,) = run_command("removerestore", "--json").json()["folders"]
        assert (listed["folder"], listed["running"]) == (str(target), False)
        KeptRestore.objects.update(host="elsewhere")
        assert "is on elsewhere" in run("restorebackup", "--continue", left).json()["error"]
        KeptRestore.objects.update(host=socket.gethostname())
        assert run_command("removerestore", left).exit_code == 0

        assert not target.exists()
        assert run("restorebackup", "--continue", left).exit_code == 3

    def test_what_does_not_join_is_refused(self, bank: Place, tmp_path: Path) -> None:
        label = bank.label()
        bank.server.execute("INSERT INTO bank.moves (note) VALUES ('later')")
        backup = Backup.objects.get(label=label)
        archive_files(backup.instance, bank.main, bank.server.folder)
        ((gtid,),) = bank.server.execute("SELECT @@GLOBAL.gtid_binlog_pos")
        words = ("--to", str(tmp_path / "target"), "--until-gtid", gtid)
        domain, server, number = backup.gtid_executed.split("-")
        known: dict[str, dict[str, Any]] = {
            "position": {"binlog_position": (backup.binlog_position or 0) + 7},
            "history": {"gtid_executed": f"{domain}-{server}-{int(number) - 1}"},
        }
        for wrong, columns in known.items():
            Backup.objects.filter(pk=backup.pk).update(
                **{"binlog_position": backup.binlog_position, "gtid_executed": backup.gtid_executed}
                | columns
            )
            ended = bank.run("restorebackup", label, *words)
            assert ended.exit_code == 3, wrong
            assert ("inside a transaction" in ended.json()["error"]) == (wrong == "position")
            assert not (tmp_path / "target").exists()


def received() -> tuple[str, int | None]:
    row = BinlogArchive.objects.get()
    return row.received_file, row.received_position


class KilledReplay:
    """Kills the server of a replay with -9 once it has received something. Use as a context."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._thread = threading.Thread(target=self._kill, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _kill(self) -> None:
        wait_until(lambda: sum(each.stat().st_size for each in self._received()) > 10_000)
        pid = occupant(self._target)
        assert pid
        os.kill(pid, signal.SIGKILL)

    def _received(self) -> list[Path]:
        return list(self._target.glob("mooring-relay.0*"))


class TestMysql:
    @pytest.mark.parametrize("mode", ["ON", "OFF"])
    def test_a_clone_under_load_is_replayed_to_the_end(
        self, mode: str, tmp_path: Path, settings: DjangoSettings, spool: Path
    ) -> None:
        checks = "CHECKSUM TABLE bank.account, bank.log"
        target, by_logs = tmp_path / "restored", tmp_path / "by-logs"
        folders = [target]
        with PrivateMysql(tmp_path / "source", gtid_options(mode)) as donor:
            wanted, words = cloned_under_load(donor, tmp_path, settings)
            with KilledReplay(target):
                ended = run_command("restorebackup", "bank-1", "--to", str(target), *words)
            assert "the private server was killed" in ended.json()["error"]
            left = str(ended.json()["job"])
            continuing = ("restorebackup", "--continue", left, "--foreground", "--json")
            stages = succeeded(run_command(*continuing))
            assert stages["replay"][0] == "succeeded"
            if mode == "ON":
                words = ("--to", str(by_logs), "--replay-by", "relay-logs", *words)
                succeeded(run_command("restorebackup", "bank-1", *words))
                lines = JobLogLine.objects.filter(text__endswith="relay logs are written")
                assert lines.count() == 1
                folders.append(by_logs)

        for folder in folders:
            assert list(folder.glob("*relay*")) == []
            with PrivateMysql(folder, clone_jobs.start_options(folder)) as restored:
                assert restored.execute(checks) == wanted
                assert restored.log_errors() == []


def gtid_options(mode: str) -> dict[str, str]:
    options = {"log-bin": "binlog", "max-binlog-size": "1M"}
    return options | {"gtid-mode": mode, "enforce-gtid-consistency": mode}


def cloned_under_load(
    donor: PrivateMysql, folder: Path, settings: DjangoSettings
) -> tuple[list[tuple[Any, ...]], tuple[str, ...]]:
    """Take a clone while somebody writes, and archive what follows; return the checksums of the
    end, and the options of a restore to it. Any: SQL's values."""
    donor.execute(*clone_jobs.USER)
    mysql_load.prepare(donor)
    main = clone_jobs.make_main(folder, settings)
    instance = clone_jobs.add_instance(donor)
    with mysql_load.Load(donor, writers=3, ddl=False):
        clone_jobs.taken()
        time.sleep(1)
    wanted = donor.execute("CHECKSUM TABLE bank.account, bank.log")
    ((file, position, *_),) = donor.execute("SHOW BINARY LOG STATUS")
    archive_files(instance, main, donor.folder, in_spool=1)
    return wanted, ("--foreground", "--json", "--until-file-pos", f"{file}:{position}")
