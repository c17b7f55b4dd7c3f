"""What is left to replay onto a folder that another job left, and is that proven?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pymysql.connections import Connection

from backups.binlog_archive.recovery.from_backup import PlacedTransaction, Recovery
from backups.binlog_archive.recovery.rest import Reached, Rest, after, find_rest, place_of
from backups.binlogs.segments.names import file_number
from backups.exceptions import Refused
from backups.models import KeptRestore
from backups.restores.replay.doubt import doubt_of_failed, doubt_of_killed
from backups.restores.replay.reached import find_reached, find_tables
from backups.restores.replay.statements import ReplayTarget
from backups.stages.restore.keeping import Keeping

_HINT = "Remove the folder with removerestore, and restore again."


def rest_of_folder(
    connection: Connection[Any], target: ReplayTarget, keeping: Keeping
) -> tuple[Rest, Reached]:
    """Return what is left, and how far the server is; Refused where it is not proven."""
    kept, whole = keeping.work.kept, keeping.whole
    assert kept is not None
    reached = find_reached(connection, target) if kept.sent_file else at_start(whole)
    if reached is None and kept.next_position is not None:
        # Its place was forgotten with the other settings: the replay came to its end, or relay
        # logs were written for the next.
        reached = Reached(file=kept.next_file, position=kept.next_position)
    if reached is None:
        raise Refused(f"the server on {kept.target} has no position of a replay", hint=_HINT)
    rest = find_rest(whole, reached)
    if doubt := _doubt(connection, target, kept, rest, whole):
        raise Refused(f"what {kept.target} has is not proven: {doubt}", hint=_HINT)
    return rest, reached


def at_start(whole: Recovery) -> Reached:
    """Return where a folder is onto which nothing was replayed."""
    start = whole.start
    if whole.served.is_mariadb or whole.served.gtid_mode == "ON":
        return Reached(start.gtids)
    return Reached(file=start.file, position=start.position)


def _doubt(
    connection: Connection[Any],
    target: ReplayTarget,
    kept: KeptRestore,
    rest: Rest,
    whole: Recovery,
) -> str:
    if not kept.sent_file or (kept.in_order and not kept.failed):
        return ""
    found = find_tables(connection, target)
    if kept.in_order:
        return doubt_of_failed(found, after(rest))
    return doubt_of_killed(
        found,
        _before(whole, rest),
        _sent(kept, rest),
        is_mariadb=target.is_mariadb,
    )


def _before(whole: Recovery, rest: Rest) -> Iterator[PlacedTransaction]:
    for number, placed in enumerate(whole.transactions()):
        if number == rest.done:
            return
        yield placed


def _sent(kept: KeptRestore, rest: Rest) -> Iterator[PlacedTransaction]:
    """Yield what may have been begun: it was sent, and is not there."""
    end = (file_number(kept.sent_file), kept.sent_position or 0)
    for placed in after(rest):
        if place_of(placed) >= end:
            return
        yield placed
