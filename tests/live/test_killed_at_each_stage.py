"""kill -9 at every stage of every operation: what is left, and does the next job run?"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator

import pytest

from backups.executor.operations import PLANS
from backups.instances.grants import NEEDED_TO_MAKE_TABLES
from backups.states import Operation
from tests.live.mooring_site import Site, engines_of, private_site, wait_until
from tests.live.server import LiveServer
from tests.live.victim import HELD, LATE_TICK

pytestmark = pytest.mark.live

LEASE_SECONDS = 2
# The schema that gets a table of a backup.
AGAIN = "bank_again"
# Only where a restore goes on to a moment: tests/live/test_replay_killed.py.
OF_REPLAYS = {
    "find transactions", "take over", "replay", "start at moment", "check at moment",
    "record drill",
}  # fmt: skip
STAGES = {
    operation: [stage.name for stage in plan.known_stages if stage.name not in OF_REPLAYS]
    for operation, plan in PLANS.items()
    # What is its own is killed in tests/live/test_matrix.py; the rest is as in a restore test.
    if operation is not Operation.REHEARSAL
}
EVERY_STAGE = [
    (operation, stage, moment)
    for operation, stages in STAGES.items()
    for stage in stages
    # After one stage is before the next: "before" only where nothing was before.
    for moment in (("before", "after") if stage == stages[0] else ("after",))
]
# Whoever is killed after these has done it: the result stays, whatever the row says.
DONE = {
    (Operation.RESTORE, "hand over"),
    (Operation.COPY, "copy backups"),
    (Operation.EXPORT, "read file"),
    (Operation.RESTORE_TABLE, "hand over"),
} | {
    (operation, stage)
    for operation in (Operation.BACKUP, Operation.CONSOLIDATE)
    # What has a manifest is a backup, and is registered.
    for stage in ("manifest", "read-back", "register")
}


@pytest.fixture(scope="module")
def site(mariadb: LiveServer) -> Iterator[Site]:
    with private_site(mariadb, throttle=0, lease=LEASE_SECONDS) as site:
        mariadb.execute(
            f"CREATE OR REPLACE DATABASE {AGAIN}",
            f"GRANT {', '.join(NEEDED_TO_MAKE_TABLES)} ON {AGAIN}.* TO celery@'%'",
        )
        yield site
        mariadb.execute(f"DROP DATABASE {AGAIN}")


def words_for(operation: Operation, site: Site, label: str) -> list[str]:
    match operation:
        case Operation.BACKUP:
            # It has every stage that a full one has, and one more.
            return ["takebackup", "bank-1", "--kind", "incremental"]
        case Operation.RESTORE:
            return ["restorebackup", label, "--to", str(site.home / "target")]
        case Operation.VERIFY:
            return ["verifybackup", label]
        case Operation.RESTORE_TEST:
            return ["testrestore", label]
        case Operation.CONSOLIDATE:
            return ["consolidatebackup", newest_link(site)]
        case Operation.COPY:
            return ["copybackup", uncopied_link(site), "--to", "second"]
        case Operation.RESTORE_TABLE:
            table = ["--table", "bank.accounts", "--as", f"{AGAIN}.accounts"]
            return ["restoretable", label, *table, "--to-instance", "bank-1"]
        case Operation.EXPORT:
            return ["exportbackup", label, "--file", str(site.home / "exported.tar")]
    return ["purgebackup", label, "--force", "--now", "--reason", "a test"]


def folders(site: Site) -> list[str]:
    return sorted(path.parent.name for path in site.home.glob("repository/*/*/*/*/packs"))


def newest_backup(site: Site) -> str:
    """Return a backup that is there; taken only where the last one was purged."""
    stored = "SELECT b.label FROM backups_backup b JOIN backups_backupcopy c ON c.backup_id = b.id"
    if found := site.rows(f"{stored} WHERE c.status = 'stored' ORDER BY b.id DESC LIMIT 1"):
        return str(found[0][0])
    return str(site.manage("takebackup", "bank-1", "--foreground")["label"])


def newest_link(site: Site) -> str:
    """Return a new incremental backup: one that was consolidated is not so again."""
    words = ("takebackup", "bank-1", "--kind", "incremental", "--foreground")
    return str(site.manage(*words)["label"])


def uncopied_link(site: Site) -> str:
    """Return a new incremental backup that only the first repository has."""
    if not site.rows("SELECT id FROM backups_repository WHERE name = 'second'"):
        site.manage("addrepository", "second", "--path", str(site.home / "second"))
    ((first,),) = site.rows("SELECT name FROM backups_repository ORDER BY id LIMIT 1")
    words = ("takebackup", "bank-1", "--kind", "incremental", "--repository", str(first))
    return str(site.manage(*words, "--foreground")["label"])


def assert_second_is_whole(site: Site) -> None:
    """In the second repository is what the catalog says, and nothing else."""
    there = {path.parent.name for path in site.home.glob("second/*/*/*/*/packs")}
    rows = site.rows(
        "SELECT c.path FROM backups_backupcopy c JOIN backups_repository r "
        "ON c.repository_id = r.id WHERE r.name = 'second'"
    )
    assert there == {str(path).rpartition("/")[2] for (path,) in rows}


@pytest.mark.parametrize(("operation", "stage", "moment"), EVERY_STAGE)
def test_killed(
    site: Site, mariadb: LiveServer, operation: Operation, stage: str, moment: str
) -> None:
    label = newest_backup(site)
    words = words_for(operation, site, label)
    before = folders(site)
    (site.home / "held").unlink(missing_ok=True)
    kill_at(site, operation, stage, moment, words)
    site.tick(LATE_TICK)
    assert_lost_and_cleared(site, mariadb)

    done = (operation, stage) in DONE and moment == "after"
    assert (site.home / "target").exists() is (done and operation is Operation.RESTORE)
    assert (site.home / "exported.tar").exists() is (done and operation is Operation.EXPORT)
    assert_restored(mariadb, done=done and operation is Operation.RESTORE_TABLE)
    assert list(site.home.glob("*.part")) == []
    (site.home / "exported.tar").unlink(missing_ok=True)
    stored = set(folders(site))
    if operation in (Operation.BACKUP, Operation.CONSOLIDATE):
        # Nothing, or the whole backup.
        assert (len(stored - set(before)) == 1) is done
        assert len(site.rows("SELECT id FROM backups_backup")) == len(before) + done
    elif operation is Operation.PURGE and (stage, moment) != ("decide", "before"):
        # What was decided is carried out.
        assert label not in stored
        copies = f"SELECT status FROM backups_backupcopy WHERE path LIKE '%{label}'"
        assert site.rows(copies) == [("purged",)]
        return
    else:
        assert stored == set(before)
    assert_second_is_whole(site)
    if done and operation in (Operation.CONSOLIDATE, Operation.COPY):
        return
    shutil.rmtree(site.home / "target", ignore_errors=True)
    answer = site.manage(*words, "--foreground")
    assert (answer["status"], answer["error"]) == ("succeeded", "")
    assert_restored(mariadb, done=operation is Operation.RESTORE_TABLE)
    shutil.rmtree(site.home / "target", ignore_errors=True)
    (site.home / "exported.tar").unlink(missing_ok=True)


def assert_restored(mariadb: LiveServer, *, done: bool) -> None:
    """There is nothing, or the whole table under its own name; it goes."""
    assert mariadb.execute(f"SHOW TABLES FROM {AGAIN}") == [("accounts",)] * done
    mariadb.execute(f"DROP TABLE IF EXISTS {AGAIN}.accounts")


def kill_at(site: Site, operation: Operation, stage: str, moment: str, words: list[str]) -> None:
    """Run a job in a process that stops there, and kill the process."""
    forks = site.forks()
    worker = forks.start(HELD, operation.value, stage, moment, *words, "--foreground", "--json")
    wait_until((site.home / "held").exists)
    assert worker > 1
    os.kill(worker, signal.SIGKILL)
    assert forks.ended() == -signal.SIGKILL
    newest = "SELECT status FROM backups_job ORDER BY id DESC LIMIT 1"
    assert site.rows(newest) == [("running",)]


def assert_lost_and_cleared(site: Site, mariadb: LiveServer) -> None:
    """The newest job is lost, and none of what it held or had started is left."""
    (job,) = site.rows("SELECT max(id) FROM backups_job")[0]
    row = site.rows(
        "SELECT status, leftovers, exclusive_key, lease_expires_at, error "
        f"FROM backups_job WHERE id = {job}"
    )[0]
    assert row[:4] == ("lost", 0, None, None)
    assert "stopped renewing its lease" in row[4]
    assert site.rows("SELECT count(*) FROM backups_limitplace") == [(0,)]
    assert site.rows(
        f"SELECT count(*) FROM backups_jobstage WHERE job_id = {job} AND status IN "
        "('running', 'pending')"
    ) == [(0,)]
    assert engines_of(mariadb) == []
    assert mariadb.execute("SELECT * FROM information_schema.processlist WHERE user='celery'") == []
    assert [path.name for path in site.home.glob("scratch/*")] == []
    assert not list(site.home.rglob("*.part"))
