"""Every fault at every stage of every operation: what is left, and does the next run work?

The stages come from the operations table: a new one is in the matrix at once. What is seen is
held against the table in docs/reliability.md; ``--write-reliability`` writes it there.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from backups.executor.operations import PLANS
from backups.states import Operation
from tests.live.breakable_site import LEASE_SECONDS, USER, BreakableSite, breakable_site
from tests.live.breakpoints import INSIDE
from tests.live.matrix_cells import (
    AS_TESTED,
    CELLS,
    DATABASE,
    FAULTS,
    FULL,
    NO_ENGINE,
    NO_SERVER,
    NO_SSH,
    SENSIBLE,
    SSH,
    STORE,
    WORKER,
    Cell,
)
from tests.live.mooring_site import ROOT, wait_until
from tests.live.newer_mariadb import rehearsal_words

pytestmark = pytest.mark.live

# What did not go well, by the status of the job.
BAD = ("failed", "refused")
DOCUMENT = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- the matrix begins -->\n", "<!-- the matrix ends -->\n"
EXPORTED = "exported.tar"
# They change nothing in the repository.
READING = {*Operation} - {Operation.BACKUP, Operation.CONSOLIDATE, Operation.COPY, Operation.PURGE}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BreakableSite]:
    # Short, because it holds sockets.
    with breakable_site(Path(os.path.realpath(tmp_path_factory.mktemp("m"))) / "s") as site:
        yield site


@pytest.fixture(scope="module")
def seen() -> dict[Cell, str]:
    """The outcome of the jobs of this run."""
    return {}


@pytest.mark.parametrize("cell", SENSIBLE, ids=str)
def test_cell(site: BreakableSite, seen: dict[Cell, str], cell: Cell) -> None:
    try:
        play(site, seen, cell)
    except BaseException:
        # What this one broke does not fail all that follow.
        site.recover()
        raise


def play(site: BreakableSite, seen: dict[Cell, str], cell: Cell) -> None:
    instance = "far" if cell.fault == SSH else "near"
    label = "" if cell.operation is Operation.BACKUP else stored_backup(site, cell.operation)
    words = words_for(cell, site, instance, label)
    before = folders(site)
    command, job = start_held(site, cell, words)

    repair = strike(site, cell.fault, job)
    (site.home / "go").touch()
    if cell.fault == WORKER:
        time.sleep(LEASE_SECONDS + 0.2)
        site.tick()
    if cell.fault == DATABASE:
        repair()
    wait_until(lambda: status_of(site, job) not in ("pending", "running"))
    if cell.fault != DATABASE:
        repair()
    said = site.said(command)
    (site.home / "go").unlink()
    seen[cell] = outcome(site, job)
    if status_of(site, job) != "succeeded" or cell.fault == DATABASE:
        # What could not be cleared up while something was unreachable is, every ten seconds.
        site.tick()

    assert_ending(site, cell, job, said.out + said.err)
    assert_nothing_held(site, job)
    assert_bytes(site, cell, job, before, label)
    if status_of(site, job) != "succeeded":
        again(site, cell, words, label)


def words_for(cell: Cell, site: BreakableSite, instance: str, label: str) -> list[str]:
    match cell.operation:
        case Operation.BACKUP:
            kind = "incremental" if cell.stage == "choose base" else "full"
            return ["takebackup", instance, "--kind", kind]
        case Operation.RESTORE:
            return ["restorebackup", label, "--to", str(site.disk / "target")]
        case Operation.VERIFY:
            return ["verifybackup", label]
        case Operation.RESTORE_TEST:
            return ["testrestore", label]
        case Operation.REHEARSAL:
            return ["rehearseupgrade", label, *rehearsal_words(site.home)]
        case Operation.CONSOLIDATE:
            return ["consolidatebackup", label]
        case Operation.EXPORT:
            return ["exportbackup", label, "--file", str(site.disk / EXPORTED)]
        case Operation.PURGE:
            return ["purgebackup", label, "--force", "--now", "--reason", "a test"]
    return ["copybackup", label, "--to", "second"]


def stored_backup(site: BreakableSite, operation: Operation) -> str:
    """Return a backup that is there, which no other needs, or a new one where there is none.

    All but a purge get one that is based on another: what a chain is read for, they are too.
    """
    if operation is Operation.COPY:
        return uncopied_link(site)
    link = (
        "AND b.base_id IS NOT NULL AND NOT EXISTS "
        "(SELECT 1 FROM backups_backup other WHERE other.id > b.id) "
    )
    sql = (
        "SELECT b.label FROM backups_backup b JOIN backups_backupcopy c ON c.backup_id = b.id "
        f"WHERE c.status = 'stored' {'' if operation is Operation.PURGE else link}"
        "ORDER BY b.id DESC LIMIT 1"
    )
    while not site.rows(sql):
        # The first is a full one: there is nothing to go on from.
        wait_for_second(site)
        assert site.run("takebackup", "near", "--kind", "incremental").code == 0
    return str(site.rows(sql)[0][0])


def uncopied_link(site: BreakableSite) -> str:
    """Return a new incremental backup that only the first repository has."""
    if not site.rows("SELECT id FROM backups_repository WHERE name = 'second'"):
        ended = site.run("addrepository", "second", "--path", str(site.disk / "second"))
        assert ended.code == 0, ended.err
    wait_for_second(site)
    words = ("takebackup", "near", "--kind", "incremental", "--repository", "main", "--json")
    return str(json.loads(site.run(*words).out)["label"])


def start_held(site: BreakableSite, cell: Cell, words: list[str]) -> tuple[int, int]:
    """Start a command; return it and its job once that stands still where the cell says."""
    (last,) = site.rows("SELECT coalesce(max(id), 0) FROM backups_job")[0]
    (site.home / "reached").unlink(missing_ok=True)
    (site.home / "break").write_text(f"{cell.operation.value}/{cell.stage}")
    wait_for_second(site)
    command = site.start(*words, "--json")
    wait_until((site.home / "reached").exists)
    ((job,),) = site.rows(f"SELECT id FROM backups_job WHERE id > {last}")
    return command, int(job)


def wait_for_second(site: BreakableSite) -> None:
    """A label is made of the second a backup began in."""
    time.sleep(1.05 - time.time() % 1 if time.time() % 1 > 0.6 else 0)


def strike(site: BreakableSite, fault: str, job: int) -> Callable[[], None]:
    """Have it happen; return what puts it right."""
    match fault:
        case "kill -9 worker":
            os.kill(site.job_worker(job), signal.SIGKILL)
            return lambda: None
        case "kill -9 engine":
            # A program may still be on its way through the ones that start it.
            wait_until(lambda: site.kill_engines(job))
            return lambda: None
        case "kill -9 server":
            site.kill_server()
            return site.server.start
        case "disk full":
            site.fill_disk()
            return site.free_disk
        case "store fails":
            return site.take_stores()
        case "ssh cut":
            site.cut_ssh()
            return site.start_sshd
        case "broker away":
            site.kill_broker()
            return site.start_broker
    site.stop_database()
    return site.start_database


def status_of(site: BreakableSite, job: int) -> str:
    return str(site.rows(f"SELECT status FROM backups_job WHERE id = {job}")[0][0])


def outcome(site: BreakableSite, job: int) -> str:
    """Put into a few words how a job ended: they are the cell of the table."""
    sql = f"SELECT status, failed_stage FROM backups_job WHERE id = {job}"
    status, stage = site.rows(sql)[0]
    return f"{status} in {stage}" if status in BAD else str(status)


def assert_ending(site: BreakableSite, cell: Cell, job: int, said: str) -> None:
    sql = f"SELECT status, error, hint FROM backups_job WHERE id = {job}"
    status, error, hint = site.rows(sql)[0]
    lines = site.rows(f"SELECT text FROM backups_joblogline WHERE job_id = {job}")
    for text in (said, error, *(line for (line,) in lines)):
        assert "Traceback" not in text
        assert "unexpected " not in text, text
    assert bool(error) == (status != "succeeded"), (status, error)
    if status in BAD:
        assert hint, error
    if cell.fault == WORKER:
        assert status == "lost"


def assert_nothing_held(site: BreakableSite, job: int) -> None:
    """No process, no lock, no claim."""
    wait_until(lambda: not site.engines(), 5)
    held = (
        "SELECT operation, status, leftovers, exclusive_key, error FROM backups_job "
        "WHERE status IN ('pending', 'running') OR leftovers OR exclusive_key IS NOT NULL "
        "OR lease_expires_at IS NOT NULL"
    )
    assert site.rows(held) == []
    assert site.rows("SELECT count(*) FROM backups_limitplace") == [(0,)]
    open_stages = "status IN ('pending', 'running')"
    count = f"SELECT count(*) FROM backups_jobstage WHERE job_id = {job} AND {open_stages}"
    assert site.rows(count) == [(0,)]
    with site.server.connect() as root, root.cursor() as cursor:
        cursor.execute("SET STATEMENT lock_wait_timeout=2 FOR ALTER TABLE shop.visits COMMENT='x'")
        cursor.execute("SELECT id FROM information_schema.processlist WHERE user = %s", (USER,))
        assert cursor.fetchall() == ()


def folders(site: BreakableSite) -> set[str]:
    return {path.parent.name for path in site.disk.glob("repository/*/*/*/*/packs")}


def assert_bytes(site: BreakableSite, cell: Cell, job: int, before: set[str], label: str) -> None:
    """What is on the disk is what the catalog says, and nothing else."""
    assert not list(site.disk.rglob("*.part"))
    assert list(site.disk.glob("scratch/*")) == []
    copies = "SELECT path FROM backups_backupcopy WHERE status = 'stored'"
    assert folders(site) == {Path(path).name for (path,) in site.rows(copies)}
    second = {path.parent.name for path in site.disk.glob("second/*/*/*/*/packs")}
    in_second = "repository_id = (SELECT id FROM backups_repository WHERE name = 'second')"
    assert second == {Path(path).name for (path,) in site.rows(f"{copies} AND {in_second}")}
    target = site.disk / "target"
    status = status_of(site, job)
    if cell.operation is Operation.EXPORT:
        assert (site.disk / EXPORTED).exists() == (status == "succeeded")
    if cell.operation is Operation.RESTORE and status == "succeeded":
        assert (target / "ibdata1").exists()
    elif cell.operation is Operation.RESTORE:
        assert not target.exists()
    if cell.operation in READING:
        assert folders(site) == before
    if cell.operation in (Operation.BACKUP, Operation.CONSOLIDATE):
        assert len(folders(site) - before) == (status == "succeeded" or is_whole(cell))
    if status in BAD:
        # None of these faults speaks against the copy, but for an engine that dies on it.
        which = "true" if cell.fault in (FULL, STORE) else "passed"
        # Of what is read for another backup, it has no job.
        against = f"(job_id = {job} AND {which}) OR (job_id IS NULL AND NOT passed)"
        assert site.rows(f"SELECT report FROM backups_evidence WHERE {against}") == []
        assert site.rows(f"SELECT error FROM backups_rehearsal WHERE job_id = {job}") == []
    remove_target(site)


def is_whole(cell: Cell) -> bool:
    """Whether the worker is killed when the manifest has been written: it is registered then."""
    return cell.fault == WORKER and cell.stage in ("read-back", "register")


def remove_target(site: BreakableSite) -> None:
    (site.disk / EXPORTED).unlink(missing_ok=True)
    shutil.rmtree(site.disk / "target", ignore_errors=True)


def again(site: BreakableSite, cell: Cell, words: list[str], label: str) -> None:
    """The same once more, through the same workers."""
    carried_out = cell.operation is Operation.PURGE and label not in folders(site)
    if carried_out or (cell.operation is Operation.CONSOLIDATE and is_whole(cell)):
        # There is nothing to ask for again.
        return
    wait_for_second(site)
    ended = site.run(*words, "--json")
    answer = json.loads(ended.out)
    assert (answer["status"], answer["error"]) == ("succeeded", "")
    remove_target(site)


def test_the_table_is_what_was_seen(seen: Mapping[Cell, str], pytestconfig: pytest.Config) -> None:
    """Last: where only some cells were run, only those are looked at."""
    text = DOCUMENT.read_text(encoding="utf-8")
    if pytestconfig.getoption("write_reliability"):
        assert len(seen) == len(SENSIBLE), "the table is written by a run of all cells only"
        head, _, rest = text.partition(BEGIN)
        DOCUMENT.write_text(head + BEGIN + draw(seen) + END + rest.partition(END)[2])
        return
    documented = read(text.partition(BEGIN)[2].partition(END)[0])
    assert {(cell.operation.value, cell.stage) for cell in CELLS} == set(documented)
    for cell, what in seen.items():
        ending = documented[cell.operation.value, cell.stage][FAULTS.index(cell.fault)]
        assert what == ending or {what, ending} == either(cell), cell


def either(cell: Cell) -> set[str]:
    """Return the two endings of a cell that may have both."""
    if cell.fault == DATABASE:
        # Whether a stage queries it while it is unreachable is a matter of milliseconds.
        return {"succeeded", f"failed in {cell.stage}"}
    if cell.fault == FULL and cell.stage == "prepare":
        # It needs room for pages that the server had not written yet when it was copied; without
        # any, the server that is started next needs some.
        started = {Operation.RESTORE: "start once", Operation.RESTORE_TEST: "start server"}
        return {"failed in prepare", f"failed in {started[cell.operation]}"}
    return set()


def draw(seen: Mapping[Cell, str]) -> str:
    """Return the matrix as a table of Markdown."""
    lines = [
        f"| operation | stage | {' | '.join(FAULTS)} |",
        "|---|---" + "|---" * len(FAULTS) + "|",
    ]
    reasons = [NO_ENGINE, NO_SERVER, NO_SSH, AS_TESTED]
    for operation, plan in PLANS.items():
        for stage in plan.known_stages:
            cells = [Cell(operation, stage.name, fault) for fault in FAULTS]
            words = [
                f"— ({reasons.index(cell.nonsense) + 1})" if cell.nonsense else seen[cell]
                for cell in cells
            ]
            lines.append(f"| {operation.value} | {stage.name} | {' | '.join(words)} |")
    notes = [f"{number}. {reason}" for number, reason in enumerate(reasons, 1)]
    inside = ", ".join(f"*{name}*" for name in INSIDE)
    held = f"In {inside} the fault comes in the middle of the work, in the others before it."
    return "\n".join(["", *lines, "", "Not tried, because:", "", *notes, "", held, "", ""])


def read(table: str) -> dict[tuple[str, str], list[str]]:
    """Return the cells of each stage's row."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line.startswith("| ")
    ]
    return {(row[0], row[1]): row[2:] for row in rows[1:]}
