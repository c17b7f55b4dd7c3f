"""kill -9 of the worker in the middle of a replay: nothing runs on, and another job goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from backups.programs.private_server import PrivateServer, ServerOptions
from tests.live.mooring_site import Site, private_site, wait_until
from tests.live.restored_server import RestoredServer
from tests.live.server import LiveServer, free_port, new_mariadb
from tests.live.test_recovery import CHECKSUMS
from tests.live.victim import LATE_TICK

pytestmark = pytest.mark.live


@pytest.fixture
def source(tmp_path: Path) -> Iterator[LiveServer]:
    new_mariadb(tmp_path / "source")
    port = free_port()
    options = {"binlog-format": "MIXED", "event-scheduler": "OFF"}
    settings = ServerOptions(port=port, binlog=True, server_id=1, options=options)
    with PrivateServer(tmp_path / "source", settings) as server:
        yield LiveServer(server, "127.0.0.1", port)


@pytest.fixture
def site(source: LiveServer) -> Iterator[Site]:
    # Temporary files of its own: replays of other tests may run beside this one.
    with (
        TemporaryDirectory(prefix="mooring-") as temporary,
        private_site(source, throttle=0, lease=2, TMPDIR=temporary) as site,
    ):
        yield site


def started_on(folder: Path) -> list[psutil.Process]:
    """The processes that have a folder in their command line."""
    return [
        each
        for each in psutil.process_iter(["cmdline"])
        if any(str(folder) in word for word in each.info["cmdline"] or ())
    ]


def accounts(site: Site) -> list[Path]:
    return list(Path(site.environment["TMPDIR"]).rglob("replay.sql"))


def archived_after_a_backup(source: LiveServer, site: Site) -> str:
    """Take a backup, and receive what follows it; return where that ends."""
    source.execute("GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO celery@'%'")
    # With a table that is not of InnoDB, nothing would prove that the slow statement had no effect.
    source.execute("DROP TABLE bank.visits")
    assert "error" not in site.manage("archivebinlogs", "bank-1", "--repository", "main")
    receiver = site.start("receivebinlogs")
    state = "SELECT state FROM backups_binlogarchive"
    wait_until(lambda: site.rows(state) == [("receiving",)])
    site.manage("takebackup", "bank-1", "--foreground")
    # Replayed as a statement, it takes as long again.
    source.execute(
        "INSERT INTO bank.moves (note) VALUES ('before')",
        "SET STATEMENT binlog_format = STATEMENT FOR "
        "INSERT INTO bank.moves (note) VALUES (CONCAT('slow', SLEEP(4)))",
        "INSERT INTO bank.moves (note) VALUES ('after')",
    )
    ((file, position, *_),) = source.execute("SHOW MASTER STATUS")
    # A file that is finished is stored at once.
    source.execute("FLUSH BINARY LOGS")
    wait_until(lambda: site.rows("SELECT last_of_file FROM backups_binlogsegment") == [(1,)])
    receiver.send_signal(signal.SIGTERM)
    receiver.wait()
    return f"{file}:{position}"


def test_nothing_runs_on_and_another_job_goes_on(source: LiveServer, site: Site) -> None:
    place = archived_after_a_backup(source, site)
    wanted = source.execute(CHECKSUMS)
    target = site.home / "target"
    words = (
        *("restorebackup", "bank-1", "--to", str(target), "--until-file-pos", place),
        *("--foreground", "--json"),
    )

    killed_while_it_replays(site, words)
    site.tick(LATE_TICK)
    newest = "SELECT status, leftovers FROM backups_job ORDER BY id DESC LIMIT 1"
    assert site.rows(newest) == [("lost", 1)]
    ((job, size),) = site.rows("SELECT job_id, bytes FROM backups_keptrestore")
    assert size > 10_000_000
    assert accounts(site) == []

    cancelled_while_it_continues(site, job)
    ((job, in_order, next_file),) = site.rows(
        "SELECT job_id, in_order, next_file FROM backups_keptrestore"
    )
    assert in_order and next_file

    job = refused_as_the_backup(site, job)
    again = ("--until-file-pos", place, "--foreground")
    answer = site.manage("restorebackup", "--continue", str(job), *again)
    assert answer["error"] == ""
    assert answer["status"] == "succeeded"
    assert [each["name"] for each in answer["stages"]][:3] == [
        "find transactions", "take over", "replay"
    ]  # fmt: skip
    assert site.rows("SELECT COUNT(*) FROM backups_keptrestore") == [(0,)]
    assert site.rows("SELECT COUNT(*) FROM backups_job WHERE leftovers") == [(0,)]
    assert list(target.rglob("*relay*")) == []
    with RestoredServer(target) as found:
        assert found.execute(CHECKSUMS) == wanted
    a_killed_drill_is_drilled_again(site)


def a_killed_drill_is_drilled_again(site: Site) -> None:
    """Nobody goes on with its folder: it is removed, and the backup keeps its evidence."""
    words = ("testrestore", "bank-1", "--to-moment", "newest", "--foreground", "--json")
    drills = "SELECT passed, failed_stage FROM backups_drill"
    evidence = "SELECT job_id, passed FROM backups_evidence ORDER BY id"

    folder = killed_while_it_replays(site, words)
    site.tick(LATE_TICK)
    ((job, status, leftovers),) = site.rows(
        "SELECT id, status, leftovers FROM backups_job ORDER BY id DESC LIMIT 1"
    )
    assert (status, leftovers) == ("lost", 0)
    assert not folder.exists()
    assert site.rows("SELECT COUNT(*) FROM backups_keptrestore") == [(0,)]
    assert (site.rows(evidence), site.rows(drills)) == ([(job, 1)], [])

    answer = site.manage(*words[:-1])
    assert (answer["status"], answer["error"]) == ("succeeded", "")
    assert (site.rows(evidence)[1:], site.rows(drills)) == ([(job + 1, 1)], [(1, "")])


def killed_while_it_replays(site: Site, words: tuple[str, ...]) -> Path:
    """Kill the worker in the slow statement: nothing of it runs on. Return the folder."""
    worker = site.forks().start(*words)
    wait_until(lambda: any(each.stat().st_size > 500 for each in relay_logs(site)))
    target = relay_logs(site)[0].parent
    assert started_on(target)
    assert worker > 1
    os.kill(worker, signal.SIGKILL)
    assert site.forks().ended() == -signal.SIGKILL
    wait_until(lambda: not started_on(target))
    return target


def cancelled_while_it_continues(site: Site, job: int) -> None:
    """Continue a kept folder, and cancel that in the slow statement: its server ends in order."""
    worker = site.start("restorebackup", "--continue", str(job), "--foreground")
    lines = "SELECT job_id FROM backups_joblogline WHERE text LIKE 'it continues after%'"
    wait_until(lambda: site.rows(lines) != [])
    ((newest,),) = site.rows(lines)
    assert site.manage("canceljob", str(newest))["status"] == "cancelled"
    worker.wait()
    assert not started_on(site.home / "target")


def refused_as_the_backup(site: Site, job: int) -> int:
    """Continue a folder to the backup's own place; return the job that has it then."""
    ((name, start),) = site.rows("SELECT binlog_file, binlog_position FROM backups_backup")
    early = ("--until-file-pos", f"{name}:{start}", "--foreground")
    answer = site.manage("restorebackup", "--continue", str(job), *early)
    assert "which is not among the transactions" in answer["error"]
    return int(answer["job"])


def relay_logs(site: Site) -> list[Path]:
    return list(site.home.rglob("mooring-relay.0*"))
