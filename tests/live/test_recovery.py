"""The whole way: a backup taken under load, binlogs archived, restored to one transaction."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings as DjangoSettings

from backups.models import Backup, Job, JobStage
from backups.programs.private_server import PrivateServer, ServerOptions, initialise
from tests.commands import Ended, run_command
from tests.live import clone_jobs, mysql_load
from tests.live.archiving import archive_files
from tests.live.bank import TOTAL, Teller, open_bank, sum_of
from tests.live.faults import Place, make_place
from tests.live.mysql import PrivateMysql
from tests.live.server import LiveServer, free_port

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
    initialise(tmp_path / "source")
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


class TestMariadb:
    def test_a_dropped_table_comes_back_with_what_followed(self, bank: Place) -> None:
        server = bank.server
        with Teller(server.server.connect):
            label = bank.label()
            time.sleep(1)
        server.execute("CREATE USER later@localhost")
        before = server.execute(CHECKSUMS)
        ((moment,),) = server.execute("SELECT UTC_TIMESTAMP()")
        server.server.connect().close()
        ((second,),) = server.execute("SELECT SLEEP(1.2)")
        assert second == 0
        server.execute("DROP TABLE bank.notes")
        ((gtid,),) = server.execute("SELECT @@GLOBAL.gtid_binlog_pos")
        server.execute("INSERT INTO bank.moves (note) VALUES ('after the drop')")
        instance = Backup.objects.get(label=label).instance
        archive_files(instance, bank.main, server.folder, in_spool=1)

        at_moment = bank.folder / "at-moment"
        stages = succeeded(
            bank.run("restorebackup", "orders-1", "--to", str(at_moment),
                     "--until", f"{moment:%Y-%m-%d %H:%M:%S} UTC")
        )  # fmt: skip
        without = bank.folder / "without"
        succeeded(
            bank.run("restorebackup", label, "--to", str(without),
                     "--until-file-pos", ":".join(map(str, self.end_of(server))),
                     "--skip-gtid", gtid)
        )  # fmt: skip

        assert stages["replay"][0] == "succeeded"
        assert " transactions, the last " in stages["replay"][1]
        assert "transactions replayed, started once" in stages["hand over"][1]
        with self.restored(at_moment) as found:
            assert found.execute(CHECKSUMS) == before
            with found.server.connect() as connection:
                assert sum_of(connection) == TOTAL
            assert found.execute("SELECT COUNT(*) FROM mysql.user WHERE user = 'later'") == [(1,)]
            assert found.execute("SELECT COUNT(*) FROM mysql.user WHERE user LIKE 'mooring%'") == [
                (0,)
            ]
        with self.restored(without) as found:
            rows = found.execute("SELECT COUNT(*) FROM bank.moves WHERE note = 'after the drop'")
            assert rows == [(1,)]
            assert found.execute("SELECT COUNT(*) FROM bank.notes") == [(500,)]
        assert [path.name for path in at_moment.glob("*relay*")] == []

    def test_what_does_not_join_is_refused(self, bank: Place, tmp_path: Path) -> None:
        label = bank.label()
        bank.server.execute("INSERT INTO bank.moves (note) VALUES ('later')")
        backup = Backup.objects.get(label=label)
        archive_files(backup.instance, bank.main, bank.server.folder)
        ((gtid,),) = bank.server.execute("SELECT @@GLOBAL.gtid_binlog_pos")
        words = ("--to", str(tmp_path / "target"), "--until-gtid", gtid)
        domain, server, number = backup.gtid_executed.split("-")
        known = {
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

    @staticmethod
    def end_of(server: LiveServer) -> tuple[str, int]:
        ((file, position, *_),) = server.execute("SHOW MASTER STATUS")
        return file, position

    @staticmethod
    def restored(folder: Path) -> RestoredServer:
        return RestoredServer(folder)


class RestoredServer:
    """A server on restored files, without a login."""

    def __init__(self, folder: Path) -> None:
        self._server = PrivateServer(folder, ServerOptions(skip_grant_tables=True))

    def __enter__(self) -> LiveServer:
        self._server.start()
        return LiveServer(self._server, "", 0)

    def __exit__(self, *_: object) -> None:
        self._server.stop()


class TestMysql:
    @pytest.mark.parametrize("mode", ["ON", "OFF"])
    def test_a_clone_under_load_is_replayed_to_the_end(
        self, mode: str, tmp_path: Path, settings: DjangoSettings, spool: Path
    ) -> None:
        options = {
            "log-bin": "binlog",
            "max-binlog-size": "1M",
            "gtid-mode": mode,
            "enforce-gtid-consistency": mode,
        }
        checks = "CHECKSUM TABLE bank.account, bank.log"
        with PrivateMysql(tmp_path / "source", options) as donor:
            donor.execute(*clone_jobs.USER)
            mysql_load.prepare(donor)
            main = clone_jobs.make_main(tmp_path, settings)
            instance = clone_jobs.add_instance(donor)
            with mysql_load.Load(donor, writers=3, ddl=False):
                clone_jobs.taken()
                time.sleep(1)
            wanted = donor.execute(checks)
            ((file, position, *_),) = donor.execute("SHOW BINARY LOG STATUS")
            archive_files(instance, main, donor.folder, in_spool=1)
            target = tmp_path / "restored"
            ended = run_command(
                "restorebackup", "bank-1", "--to", str(target), "--foreground", "--json",
                "--until-file-pos", f"{file}:{position}",
            )  # fmt: skip

            stages = succeeded(ended)

        assert stages["replay"][0] == "succeeded"
        with PrivateMysql(target, clone_jobs.start_options(target)) as restored:
            assert restored.execute(checks) == wanted
            assert restored.log_errors() == []
