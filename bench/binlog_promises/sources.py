"""Sources that are killed, or have another history: is anything lost, or taken for whole?"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack

from backups.binlog_archive.spool import spool_folder
from bench.binlog_promises.home import PATIENCE, begin, differing, files_of, wait_for_all
from bench.binlog_promises.received import expect_whole
from bench.binlog_promises.round import Round
from tests.live import binlog_histories as histories
from tests.live.binlog_histories import History
from tests.live.binlog_receiving import archive_of, present, receiving
from tests.live.binlog_source import BinlogSource, binlog_source
from tests.live.confirmed import written_until_killed
from tests.live.mooring_site import wait_until

Scenario = Callable[[BinlogSource], History]
# What each break must be seen as: never as an archive without one.
BREAKS: dict[Scenario, History] = {
    histories.reset_while_received: History("reset", 1),
    histories.name_reused: History("reset", 1),
    histories.newest_transaction_lost: History("behind", 1),
    histories.purged_before_received: History("gap", 1),
}
MYSQL_BREAKS: dict[Scenario, History] = {histories.given_new_uuid: History("failover", 0)}


def killed_sources(work: Round) -> None:
    """kill -9 of a source that waits for the archive: what it confirmed must be archived."""
    begin(work.folder)
    confirmed = 0
    with binlog_source(work.folder / "data", work.product) as source:
        archive_of(source.instance(), acknowledge=True)
        first = source.files()[-1][0]
        source.wait_for_replica()
        with receiving():
            for number in range(work.count):
                wait_until(lambda: _waits(source), PATIENCE)
                seconds = work.chance.uniform(0.3, 2)
                tokens = written_until_killed(source, seconds=seconds, name=f"{number}.")
                lost = set(tokens) - _archived_tokens()
                work.expect(not lost, f"kill {number}: {len(lost)} confirmed and not archived")
                confirmed += len(tokens)
                work.tried += 1
                source.server.start()
                # Its variables are gone with it.
                source.wait_for_replica()
            wait_until(lambda: _waits(source), PATIENCE)
            wait_for_all(source)
            work.violations += differing(files_of(source, first))
    work.expect(confirmed > work.count, f"only {confirmed} transactions were confirmed")
    expect_whole(work)


def _waits(source: BinlogSource) -> bool:
    clients = source.execute("SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync%clients'")
    return any(row[1] != "0" for row in clients)


def _archived_tokens() -> set[bytes]:
    """Return what is in the two newest files of the spool: a crash begins a file."""
    newest = sorted(spool_folder(present()).iterdir())[-2:]
    return set(re.findall(rb"<[0-9.]+>", b"".join(path.read_bytes() for path in newest)))


def broken_histories(work: Round) -> None:
    """Resets, reused names, lost tails, purged files, new identities: a timeline or a gap each."""
    begin(work.folder)
    breaks = BREAKS | (MYSQL_BREAKS if work.product == "mysql" else {})
    with binlog_source(work.folder / "data", work.product) as source:
        archive_of(source.instance())
        for _ in range(work.count):
            for scenario, wanted in breaks.items():
                found = scenario(source)
                name = scenario.__name__.replace("_", " ")
                work.expect(found == wanted, f"{name}: {found}")
                work.tried += 1


def failovers(work: Round) -> None:
    """Another server with all transactions takes over: no gap, and all its bytes."""
    begin(work.folder)
    with ExitStack() as stack:
        source = stack.enter_context(binlog_source(work.folder / "data", work.product))
        archive_of(source.instance())
        for number in range(work.count):
            found, source = histories.failed_over(source, work.folder / f"copy-{number}", stack)
            work.expect(found == History("failover", 0), f"failover {number}: {found}")
            work.tried += 1
