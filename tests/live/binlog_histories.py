"""Sources whose binary log does not go on as it was, and what an archive makes of each."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from backups.binlog_archive.spool import spool_folder
from backups.models import Instance
from backups.models.binlog import BinlogGap, BinlogTimeline
from tests.live.binlog_receiving import caught_up, present, receiving
from tests.live.binlog_source import BinlogSource, binlog_source, differing
from tests.live.mooring_site import wait_until


@dataclass(frozen=True)
class History:
    """How the present timeline began, how many gaps were noted, which files are not the same."""

    start: str
    gaps: int
    differing: list[str] = field(default_factory=list)


class _Before:
    """The archive as it was, to see what a break adds."""

    def __init__(self) -> None:
        self.timeline, self._gaps = present(), BinlogGap.objects.count()

    def wait(self, source: BinlogSource) -> History:
        """Wait until a new timeline has everything; a receiver must be running."""
        wait_until(lambda: present() != self.timeline and caught_up(source)())
        gaps = BinlogGap.objects.count() - self._gaps
        return History(present().start, gaps, differing(source, spool_folder(present())))


def reset_while_received(source: BinlogSource) -> History:
    with receiving():
        source.write(20)
        wait_until(caught_up(source))
        before = _Before()
        source.reset()
        source.write(5)
        return before.wait(source)


def name_reused(source: BinlogSource) -> History:
    """Reset twice, and have more in the file of the same name than before."""
    source.reset()
    with receiving():
        source.write(3)
        wait_until(caught_up(source))
    before, size = _Before(), source.files()[-1][1]
    source.reset()
    source.write(60)
    assert source.files()[-1][1] > size
    with receiving():
        return before.wait(source)


def newest_transaction_lost(source: BinlogSource) -> History:
    """The older timeline must keep what the source lost."""
    with receiving():
        source.write(5)
        wait_until(caught_up(source))
    size = source.files()[-1][1]
    source.write(1)
    with receiving():
        wait_until(caught_up(source))
        kept = spool_folder(present()) / source.files()[-1][0]
        whole = kept.read_bytes()
    before = _Before()
    source.lose_tail(size)
    with receiving():
        source.write(3)
        found = before.wait(source)
    assert kept.read_bytes() == whole
    return found


def purged_before_received(source: BinlogSource) -> History:
    with receiving():
        source.write(3)
        wait_until(caught_up(source))
    before = _Before()
    source.write(3)
    source.rotate()
    source.rotate()
    source.purge()
    with receiving():
        return before.wait(source)


def given_new_uuid(source: BinlogSource) -> History:
    """MySQL's identity changes when its file is lost; all its transactions are there."""
    with receiving():
        source.write(5)
        wait_until(caught_up(source))
    before = _Before()
    source.server.stop()
    (source.server.folder / "auto.cnf").unlink()
    source.server.start()
    with receiving():
        source.write(5)
        return before.wait(source)


def failed_over(
    source: BinlogSource, folder: Path, stack: ExitStack
) -> tuple[History, BinlogSource]:
    """Have a copy take over with all transactions; it runs until ``stack`` ends."""
    with receiving():
        source.write(20)
        wait_until(caught_up(source))
    before = _Before()
    source.copy_to(folder)
    replica = stack.enter_context(binlog_source(folder, source.flavour))
    Instance.objects.update(port=replica.port)
    replica.write(10)
    with receiving():
        return before.wait(replica), replica


def whole_archive() -> bool:
    """Whether nothing was ever missing."""
    return (BinlogTimeline.objects.count(), BinlogGap.objects.count()) == (1, 0)
